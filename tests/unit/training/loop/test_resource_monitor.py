"""What a run used, where memory is really taken and where there is no GPU to be seen."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import pytest

from training.loop.resources import GpuSample, NvmlGpus, Resources


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


def test_memory_taken_in_between_is_seen_and_so_is_a_childs() -> None:
    with Resources(interval_s=0.01, gpus=FakeGpus()) as resources:
        before = resources.usage().peak_memory_mb
        child = [sys.executable, "-c", "x = b'1' * 80_000_000; input()"]
        with subprocess.Popen(child, stdin=subprocess.PIPE) as process:
            wait_until(lambda: resources.usage().peak_memory_mb > before + 75)
            process.communicate(b"\n")
    assert resources.usage().peak_memory_mb > before + 75


def test_time_is_wall_and_processor() -> None:
    with Resources(gpus=FakeGpus()) as resources:
        ended = time.process_time() + 0.1
        while time.process_time() < ended:
            pass
        time.sleep(0.1)
    used = resources.usage()
    assert used.cpu_s >= 0.08
    assert used.wall_s >= 0.2
    assert resources.usage() == used


def test_gpus_are_the_peak_of_memory_and_the_mean_of_utilization() -> None:
    samples = (GpuSample(3_000_000, 0.5), None, GpuSample(1_000_000, 1.0))
    with Resources(interval_s=0.005, gpus=FakeGpus(*samples)) as resources:
        wait_until(lambda: resources.usage().gpu_utilization == 0.75)
    assert resources.usage().gpu_memory_mb == 3.0


def test_without_a_gpu_there_is_none_and_no_error() -> None:
    with Resources(gpus=FakeGpus()) as resources:
        pass
    assert resources.usage().gpu_memory_mb is resources.usage().gpu_utilization is None


def test_the_thread_ends_with_the_context_even_on_an_error() -> None:
    with pytest.raises(KeyError), Resources(interval_s=60, gpus=FakeGpus()):
        raise KeyError
    assert "resources" not in {thread.name for thread in threading.enumerate()}


def test_two_gpus_are_told_together(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_nvml(
        monkeypatch,
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=lambda n: n,
        nvmlDeviceGetMemoryInfo=lambda n: SimpleNamespace(used=1_000 * (n + 1)),
        nvmlDeviceGetUtilizationRates=lambda n: SimpleNamespace(gpu=100 * n),
    )
    assert NvmlGpus().sample() == GpuSample(3_000, 0.5)


def test_no_package_no_driver_and_no_answer_are_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
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


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
