"""What a run used: time, processor, memory, and the GPUs where there are any."""

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

INTERVAL_S = 1.0
MB = 1e6


@dataclass(frozen=True, slots=True)
class ResourceUsage:
    """`cpu_s` over all cores. Memory is resident, of this process and its children together, and
    the highest of samples a second apart. The last two are None where no GPU was seen.

    `gpu_memory_mb` is the peak over all GPUs together, `gpu_utilization` a mean in 0 to 1; both
    are of the whole machine, since in a container NVML cannot tell whose a process is.
    """

    wall_s: float
    cpu_s: float
    peak_memory_mb: float
    gpu_memory_mb: float | None
    gpu_utilization: float | None


@dataclass(frozen=True, slots=True)
class GpuSample:
    """Of all GPUs together: bytes in use, and the mean utilization in 0 to 1."""

    bytes: int
    utilization: float


class Gpus(Protocol):
    def sample(self) -> GpuSample | None:
        """None where there is no GPU, or it no longer answers."""
        ...


class Resources:
    """A context: it watches from its start to its end, and `usage` may be asked in between."""

    def __init__(self, interval_s: float = INTERVAL_S, gpus: Gpus | None = None) -> None:
        self._interval_s = interval_s
        self._gpus: Gpus = gpus or NvmlGpus()
        self._process = psutil.Process()
        self._samples = Samples()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="resources", daemon=True)
        self._started = self._started_cpu = 0.0
        self._ended: tuple[float, float] | None = None

    def __enter__(self) -> Resources:
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
        self._over.set()
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

    def _watch(self) -> None:
        while not self._over.wait(self._interval_s):
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
    """Every NVIDIA GPU of the machine, through NVML. Without it there are none, and no error."""

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
    """Bytes of the process and of every process it started, some of which may just have ended."""
    total = 0
    for each in (process, *process.children(recursive=True)):
        try:
            total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def _cpu_s() -> float:
    """Seconds of processor time, of this process and of the children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
