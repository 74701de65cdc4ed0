"""Resource usage of real processes, and of fake and absent GPUs."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import pytest

from training.loop.resource_monitor import GpuSample, NvmlGpus, ResourceMonitor


class NvmlError(Exception):
    pass


class FakeGpus:
    def __init__(self, *samples: GpuSample | None) -> None:
        self.samples = list(samples)

    def sample(self) -> GpuSample | None:
        return self.samples.pop(0) if self.samples else None


def fake_nvml(monkeypatch: pytest.MonkeyPatch, **functions: object) -> None:
    module = ModuleType("pynvml")
    module.__dict__.update({"NVMLError": NvmlError, "nvmlInit": lambda: None, **functions})
    monkeypatch.setitem(sys.modules, "pynvml", module)


def fail(*_: object) -> None:
    raise NvmlError


def test_peak_memory_includes_child_processes() -> None:
    with ResourceMonitor(interval_s=0.01, gpus=FakeGpus()) as monitor:
        before = monitor.usage().peak_memory_mb
        child = [sys.executable, "-c", "x = b'1' * 80_000_000; input()"]
        with subprocess.Popen(child, stdin=subprocess.PIPE) as process:
            wait_until(lambda: monitor.usage().peak_memory_mb > before + 75)
            process.communicate(b"\n")
    assert monitor.usage().peak_memory_mb > before + 75


def test_wall_and_cpu_time_are_measured() -> None:
    with ResourceMonitor(gpus=FakeGpus()) as monitor:
        ended = time.process_time() + 0.1
        while time.process_time() < ended:
            pass
        time.sleep(0.1)
    used = monitor.usage()
    assert used.cpu_s >= 0.08
    assert used.wall_s >= 0.2
    assert monitor.usage() == used


def test_gpu_usage_is_peak_memory_and_mean_utilization() -> None:
    samples = (GpuSample(3_000_000, 0.5), None, GpuSample(1_000_000, 1.0))
    with ResourceMonitor(interval_s=0.005, gpus=FakeGpus(*samples)) as monitor:
        wait_until(lambda: monitor.usage().gpu_utilization == 0.75)
    assert monitor.usage().gpu_memory_mb == 3.0


def test_usage_without_a_gpu_has_no_gpu_figures() -> None:
    with ResourceMonitor(gpus=FakeGpus()) as monitor:
        pass
    assert monitor.usage().gpu_memory_mb is monitor.usage().gpu_utilization is None


def test_thread_stops_when_the_context_ends_with_an_error() -> None:
    with pytest.raises(KeyError), ResourceMonitor(interval_s=60, gpus=FakeGpus()):
        raise KeyError
    assert "resource-monitor" not in {thread.name for thread in threading.enumerate()}


def test_two_gpus_are_reported_together(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_nvml(
        monkeypatch,
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=lambda n: n,
        nvmlDeviceGetMemoryInfo=lambda n: SimpleNamespace(used=1_000 * (n + 1)),
        nvmlDeviceGetUtilizationRates=lambda n: SimpleNamespace(gpu=100 * n),
    )
    assert NvmlGpus().sample() == GpuSample(3_000, 0.5)


def test_missing_package_missing_driver_and_driver_error_count_as_no_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert NvmlGpus().sample() is None
    fake_nvml(monkeypatch, nvmlInit=fail)
    assert NvmlGpus().sample() is None
    fake_nvml(
        monkeypatch,
        nvmlDeviceGetCount=lambda: 1,
        nvmlDeviceGetHandleByIndex=lambda n: n,
        nvmlDeviceGetMemoryInfo=fail,
    )
    assert NvmlGpus().sample() is None


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
