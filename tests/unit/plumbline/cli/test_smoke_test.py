import sys
from pathlib import Path

import pytest

from plumbline.cli import smoke_test as module
from plumbline.cli.smoke_test import describe_failure, smoke_test
from scoring.errors import ArtifactInvalid


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def test_version_that_scores_passes(tmp_path: Path) -> None:
    smoke_test("m/1.0.0", tmp_path, python(f"import sys; assert sys.argv[1] == {str(tmp_path)!r}"))


def test_native_crash_is_one_sentence_with_the_signal(tmp_path: Path) -> None:
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGABRT)"
    with pytest.raises(ArtifactInvalid) as refused:
        smoke_test("m/1.0.0", tmp_path, python(crash))
    assert str(refused.value) == (
        "m/1.0.0 cannot score a text, so it cannot serve: "
        "it crashed the process that scored with it (SIGABRT)."
    )


def test_version_that_hangs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT_S", 0.1)
    with pytest.raises(ArtifactInvalid, match=r"did not score a text within 0\.1 s"):
        smoke_test("m/1.0.0", tmp_path, python("import time; time.sleep(600)"))


@pytest.mark.parametrize(
    ("returncode", "stderr", "expected"),
    [
        (1, "noise\nThe model is broken. .\n", "The model is broken"),
        (1, "Traceback ...\n  File\nRuntimeError: no such scale", "RuntimeError: no such scale"),
        (3, " \n", "it ended with exit code 3 and no message"),
        (-11, "whatever", "it crashed the process that scored with it (SIGSEGV)"),
        (-99, "", "it crashed the process that scored with it (signal 99)"),
    ],
)
def test_failure_is_described(returncode: int, stderr: str, expected: str) -> None:
    assert describe_failure(returncode, stderr) == expected
