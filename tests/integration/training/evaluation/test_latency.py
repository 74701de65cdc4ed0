"""The shipped model's own milliseconds: they grow with the text, and measuring them is quick."""

from time import perf_counter

from scoring.artifact.registry import resolve
from scoring.runtime.litert import LiteRtRuntime
from tests.paths import MODELS
from training.evaluation.latency import LENGTHS, latency


def test_the_shipped_model_is_measured_at_every_length() -> None:
    runtime = LiteRtRuntime(resolve(MODELS, "sms-spam") / "model.int8.tflite")
    started = perf_counter()
    found = latency(runtime, 512)
    assert perf_counter() - started < 10
    assert list(found) == list(LENGTHS)
    assert 0 < 4 * found[16] < found[512]
