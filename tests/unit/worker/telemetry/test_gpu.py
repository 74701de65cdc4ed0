from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from worker.telemetry import gpu
from worker.telemetry.gpu import GpuCollector, load_nvml


class NvmlError(Exception):
    pass


class Nvml:
    """Two GPUs, one of them busy. With `failing`, every call raises."""

    NVMLError = NvmlError

    def __init__(self) -> None:
        self.failing = False

    def nvmlInit(self) -> None:
        if self.failing:
            raise NvmlError

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:
        if self.failing:
            raise NvmlError
        return SimpleNamespace(gpu=50 * handle)

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:
        return SimpleNamespace(used=1_000 * handle, total=9_000)


def scrape(load: Any) -> dict[tuple[str, str], float]:
    registry = CollectorRegistry()
    registry.register(GpuCollector(load))
    return samples(registry)


def samples(registry: CollectorRegistry) -> dict[tuple[str, str], float]:
    return {
        (sample.name.removeprefix("plumbline_gpu_"), sample.labels["gpu"]): sample.value
        for metric in registry.collect()
        for sample in metric.samples
    }


def test_every_gpu_is_reported() -> None:
    assert scrape(Nvml) == {
        ("utilization_ratio", "0"): 0.0,
        ("utilization_ratio", "1"): 0.5,
        ("memory_used_bytes", "0"): 0.0,
        ("memory_used_bytes", "1"): 1_000.0,
        ("memory_total_bytes", "0"): 9_000.0,
        ("memory_total_bytes", "1"): 9_000.0,
    }


def test_without_nvml_no_gpu_is_reported() -> None:
    assert scrape(lambda: None) == {}


def test_a_gpu_that_stops_responding_is_left_out() -> None:
    nvml = Nvml()
    registry = CollectorRegistry()
    registry.register(GpuCollector(lambda: nvml))
    assert samples(registry)
    nvml.failing = True
    assert samples(registry) == {}


@pytest.mark.parametrize("failing", [True, False])
def test_nvml_without_a_driver_is_not_used(monkeypatch: pytest.MonkeyPatch, failing: bool) -> None:
    nvml = Nvml()
    nvml.failing = failing
    monkeypatch.setattr(gpu.importlib, "import_module", lambda name: nvml)
    assert load_nvml() is (None if failing else nvml)


def test_nvml_is_not_used_if_its_extra_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> ModuleType:
        raise ImportError(name)

    monkeypatch.setattr(gpu.importlib, "import_module", missing)
    assert load_nvml() is None
