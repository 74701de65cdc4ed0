"""Measures the time, CPU, memory and GPU usage of a run."""

from __future__ import annotations

import importlib
import os
import threading
from dataclasses import dataclass, field
from statistics import fmean
from time import perf_counter
from types import TracebackType
from typing import Any, Protocol

import psutil

SAMPLE_INTERVAL_S = 1.0
MB = 1e6


@dataclass(frozen=True, slots=True)
class ResourceUsage:
    """`cpu_s` is summed over all cores. `peak_memory_mb` is the resident memory of this process and
    its children together, the highest of one sample per second.

    `gpu_memory_mb` is the peak over all GPUs together, `gpu_utilization` a mean from 0 to 1; both
    are None without a GPU. They cover the whole machine, because NVML cannot attribute GPU memory
    to a process inside a container.
    """

    wall_s: float
    cpu_s: float
    peak_memory_mb: float
    gpu_memory_mb: float | None
    gpu_utilization: float | None


@dataclass(frozen=True, slots=True)
class GpuSample:
    """All GPUs together: bytes in use, and the mean utilization from 0 to 1."""

    bytes: int
    utilization: float


class Gpus(Protocol):
    def sample(self) -> GpuSample | None:
        """Return None if there is no GPU or the driver fails."""
        ...


class ResourceMonitor:
    """A context manager that samples from entry to exit; `usage` may be called at any time."""

    def __init__(self, interval_s: float = SAMPLE_INTERVAL_S, gpus: Gpus | None = None) -> None:
        self._interval_s = interval_s
        self._gpus: Gpus = gpus or NvmlGpus()
        self._process = psutil.Process()
        self._samples = Samples()
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._sample_repeatedly, name="resource-monitor", daemon=True
        )
        self._started = self._started_cpu = 0.0
        self._ended: tuple[float, float] | None = None

    def __enter__(self) -> ResourceMonitor:
        self._started, self._started_cpu = perf_counter(), _cpu_s()
        self._sample()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._thread.join()
        self._sample()
        self._ended = perf_counter(), _cpu_s()

    def usage(self) -> ResourceUsage:
        ended, ended_cpu = self._ended or (perf_counter(), _cpu_s())
        return ResourceUsage(
            wall_s=ended - self._started,
            cpu_s=ended_cpu - self._started_cpu,
            peak_memory_mb=self._samples.peak_bytes / MB,
            gpu_memory_mb=self._samples.gpu_memory_mb,
            gpu_utilization=self._samples.gpu_utilization,
        )

    def _sample_repeatedly(self) -> None:
        while not self._stopped.wait(self._interval_s):
            self._sample()

    def _sample(self) -> None:
        self._samples.peak_bytes = max(self._samples.peak_bytes, _resident(self._process))
        gpu = self._gpus.sample()
        if gpu is not None:
            self._samples.gpus.append(gpu)


@dataclass(slots=True)
class Samples:
    peak_bytes: int = 0
    gpus: list[GpuSample] = field(default_factory=list)

    @property
    def gpu_memory_mb(self) -> float | None:
        return max(gpu.bytes for gpu in self.gpus) / MB if self.gpus else None

    @property
    def gpu_utilization(self) -> float | None:
        return fmean(gpu.utilization for gpu in self.gpus) if self.gpus else None


class NvmlGpus:
    """All NVIDIA GPUs of the machine, through NVML; none if NVML is not available."""

    def __init__(self) -> None:
        self._nvml: Any = None
        self._handles: list[Any] = []
        try:
            nvml: Any = importlib.import_module("pynvml")
        except ImportError:
            return
        try:
            nvml.nvmlInit()
            self._handles = [
                nvml.nvmlDeviceGetHandleByIndex(n) for n in range(nvml.nvmlDeviceGetCount())
            ]
            self._nvml = nvml
        except nvml.NVMLError:
            return

    def sample(self) -> GpuSample | None:
        if not self._handles:
            return None
        try:
            used = sum(self._nvml.nvmlDeviceGetMemoryInfo(h).used for h in self._handles)
            rates = [self._nvml.nvmlDeviceGetUtilizationRates(h).gpu for h in self._handles]
        except self._nvml.NVMLError:
            return None
        return GpuSample(used, fmean(rates) / 100)


def _resident(process: Any) -> int:
    """Return the resident bytes of the process and its descendants that are still running."""
    total = 0
    for member in (process, *process.children(recursive=True)):
        try:
            total += member.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def _cpu_s() -> float:
    """Return the CPU seconds of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
