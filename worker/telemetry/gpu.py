"""Utilization and memory of this machine's NVIDIA GPUs, through NVML; without it there are none."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


def load_nvml() -> Any:
    """The module `pynvml` of the extra `gpu`, ready to be asked; None where it finds no driver."""
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
    """Of the whole machine, since in a container NVML cannot tell whose a process is.

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
            GaugeMetricFamily(f"plumbline_gpu_{name}", says, labels=["gpu"])
            for name, says in (
                ("utilization_ratio", "Share of the time in which the GPU was at work."),
                ("memory_used_bytes", "Memory of the GPU that is in use."),
                ("memory_total_bytes", "Memory the GPU has."),
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
            # A GPU that answered no longer is as good as none.
            return
