"""Utilization and memory of this machine's NVIDIA GPUs, read through NVML if it is installed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


def load_nvml() -> Any:
    """Return the module `pynvml` of the extra `gpu`, initialized; None without it or a driver."""
    try:
        nvml: Any = importlib.import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None
    return nvml


class GpuCollector(Collector):
    """Reports the whole machine: in a container NVML cannot attribute usage to a process.

    NVML is loaded at the first scrape, which is after the fork.
    """

    def __init__(self, load: Callable[[], Any] = load_nvml) -> None:
        self._load = load
        self._nvml: Any = None
        self._loaded = False

    def collect(self) -> Iterator[Metric]:
        if not self._loaded:
            self._nvml, self._loaded = self._load(), True
        busy, used, total = (
            GaugeMetricFamily(f"plumbline_gpu_{name}", documentation, labels=["gpu"])
            for name, documentation in (
                ("utilization_ratio", "Share of time in which the GPU was busy."),
                ("memory_used_bytes", "GPU memory in use."),
                ("memory_total_bytes", "GPU memory in total."),
            )
        )
        for gpu, (utilization, memory) in self._samples():
            busy.add_metric([gpu], utilization.gpu / 100)
            used.add_metric([gpu], memory.used)
            total.add_metric([gpu], memory.total)
        yield from (busy, used, total)

    def _samples(self) -> Iterator[tuple[str, tuple[Any, Any]]]:
        if self._nvml is None:
            return
        try:
            for index in range(self._nvml.nvmlDeviceGetCount()):
                handle = self._nvml.nvmlDeviceGetHandleByIndex(index)
                rates = self._nvml.nvmlDeviceGetUtilizationRates(handle)
                yield str(index), (rates, self._nvml.nvmlDeviceGetMemoryInfo(handle))
        except self._nvml.NVMLError:
            # A GPU that stopped responding is left out.
            return
