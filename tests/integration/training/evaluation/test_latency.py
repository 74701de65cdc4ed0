"""Latency of the shipped model grows with the length, and measuring it is quick."""

from time import perf_counter

from scoring.artifact.registry import resolve
from scoring.runtime.litert import LiteRtRuntime
from tests.paths import MODELS
from training.evaluation.latency import LENGTHS, measure_latency


def test_shipped_model_is_measured_at_every_length() -> None:
    runtime = LiteRtRuntime(resolve(MODELS, "sms-spam") / "model.int8.tflite")
    started = perf_counter()
    latency_ms = measure_latency(runtime, 512)
    assert perf_counter() - started < 10
    assert list(latency_ms) == list(LENGTHS)
    assert 0 < 4 * latency_ms[16] < latency_ms[512]
