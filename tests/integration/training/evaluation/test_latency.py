"""Latency of the shipped model is measured at every length."""

from scoring.artifact.registry import resolve
from scoring.runtime.litert import LiteRtRuntime
from tests.paths import MODELS
from training.evaluation.latency import LENGTHS, measure_latency


def test_shipped_model_is_measured_at_every_length() -> None:
    runtime = LiteRtRuntime(resolve(MODELS, "sms-spam") / "model.int8.tflite")
    latency_ms = measure_latency(runtime, 512, budget_s=0.1)
    assert list(latency_ms) == list(LENGTHS)
    assert all(value > 0 for value in latency_ms.values())
    # 32 times the tokens, more than 40 times the work.
    assert latency_ms[16] < latency_ms[512]
