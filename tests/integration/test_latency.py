"""The shipped model's own milliseconds: they grow with the text, and measuring them is quick."""

from pathlib import Path
from time import perf_counter

from scoring.litert import LiteRtRuntime
from scoring.registry import resolve
from training.latency import LENGTHS, latency

MODELS = Path(__file__).resolve().parents[2] / "models"


def test_the_shipped_model_is_measured_at_every_length() -> None:
    runtime = LiteRtRuntime(resolve(MODELS, "sms-spam") / "model.int8.tflite")
    started = perf_counter()
    found = latency(runtime, 512)
    assert perf_counter() - started < 10
    assert list(found) == list(LENGTHS)
    assert 0 < 4 * found[16] < found[512]
