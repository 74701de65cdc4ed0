"""The LiteRT runtime with the shipped model."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from scoring.artifact.artifact import MODEL
from scoring.errors import ArtifactInvalid, ScoringError
from scoring.runtime.litert import LiteRtRuntime, quiet_stderr
from tests.paths import SHIPPED

IDS = np.array([101, 2023, 2003, 102], np.int32)


@pytest.fixture(scope="module")
def runtime() -> LiteRtRuntime:
    return LiteRtRuntime(SHIPPED / MODEL)


def test_logit_depends_on_the_tokens_but_not_on_earlier_windows(runtime: LiteRtRuntime) -> None:
    first = runtime.logit(IDS)
    longer = runtime.logit(np.concatenate([IDS[:-1], IDS[1:]]))
    assert runtime.logit(np.array([101, 3000, 4000, 102], np.int32)) != first != longer
    assert runtime.logit(IDS) == first


def test_window_that_the_model_cannot_process_is_a_scoring_error(runtime: LiteRtRuntime) -> None:
    before = runtime.logit(IDS)
    with pytest.raises(ScoringError, match=r"^The model failed: .*[^.]\.$"):
        runtime.logit(np.array([101, 1_000_000, 102], np.int32))
    assert runtime.logit(IDS) == before, "the runtime continues to work"


@pytest.mark.parametrize("content", [b"", b"not a model", b"TFL3" * 100])
def test_file_that_is_not_a_model_is_named_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(ArtifactInvalid) as invalid:
        LiteRtRuntime(path)
    message = str(invalid.value)
    assert message.startswith(f"{path} is not a model that LiteRT can run: ")
    assert "\n" not in message and message.endswith(".") and not message.endswith("..")


def test_missing_file_is_invalid(tmp_path: Path) -> None:
    with pytest.raises(ArtifactInvalid, match="is not a model that LiteRT can run"):
        LiteRtRuntime(tmp_path / "missing.tflite")


def test_only_lines_of_the_block_are_suppressed(capfd: pytest.CaptureFixture[str]) -> None:
    os.write(2, b"before\n")
    with pytest.raises(KeyError), quiet_stderr():
        os.write(2, b"suppressed\n")
        raise KeyError
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "before\nafter\n"


def test_loading_a_model_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    LiteRtRuntime(SHIPPED / MODEL).logit(IDS)
    assert capfd.readouterr().err == ""


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def test_a_window_is_computed_by_the_calling_thread_unless_more_are_asked_for(
    runtime: LiteRtRuntime,
) -> None:
    """The processor time of the calling thread is what the gate on latency measures."""
    before = threads()
    one = runtime.logit(IDS)
    assert threads() == before
    assert runtime.logit(IDS, threads=2) == one
    assert threads() == before + 1
    assert runtime.logit(IDS, threads=3) == one
    assert threads() == before + 2, "the model for another number of threads is replaced"
