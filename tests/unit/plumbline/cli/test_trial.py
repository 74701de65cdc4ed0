import sys
from pathlib import Path

import pytest

from plumbline.cli import trial
from plumbline.cli.trial import told, try_out
from scoring.errors import ArtifactInvalid


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def test_a_version_that_scores_is_not_spoken_of(tmp_path: Path) -> None:
    seen = f"import sys; assert sys.argv[1] == {str(tmp_path)!r}"
    try_out("m/1.0.0", tmp_path, python(seen))


def test_a_native_crash_is_one_sentence_that_names_the_signal(tmp_path: Path) -> None:
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGABRT)"
    with pytest.raises(ArtifactInvalid) as refused:
        try_out("m/1.0.0", tmp_path, python(crash))
    assert str(refused.value) == (
        "m/1.0.0 cannot score a text, so it does not serve: "
        "it crashed the process that tried it (SIGABRT)."
    )


def test_one_that_never_answers_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "TIMEOUT_S", 0.1)
    with pytest.raises(ArtifactInvalid, match=r"did not score a text within 0\.1 s"):
        try_out("m/1.0.0", tmp_path, python("import time; time.sleep(600)"))


@pytest.mark.parametrize(
    ("returncode", "said", "expected"),
    [
        (1, "noise\nThe model is broken. .\n", "The model is broken"),
        (1, "Traceback ...\n  File\nRuntimeError: no such scale", "RuntimeError: no such scale"),
        (3, " \n", "it ended with exit code 3 and no word"),
        (-11, "whatever", "it crashed the process that tried it (SIGSEGV)"),
        (-99, "", "it crashed the process that tried it (signal 99)"),
    ],
)
def test_how_it_ended_is_told(returncode: int, said: str, expected: str) -> None:
    assert told(returncode, said) == expected
