"""A smoke test of a model version: it scores one text in a process of its own.

A version can pass every check of its files and still crash the process that scores with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from scoring.errors import ArtifactInvalid

# Far above what the largest model takes to load and to score one text.
TIMEOUT_S = 120.0
# More than one window of any model, so that its longest input is tested too.
TEXT = "ready when you are " * 200
SCRIPT = f"""
import sys
from pathlib import Path
from scoring.errors import ScoringError
from scoring.scorer import Scorer
try:
    Scorer.load(Path(sys.argv[1])).score({TEXT!r})
except ScoringError as error:
    raise SystemExit(" ".join(str(error).split()))
"""
# -P: do not import a `scoring.py` of the current folder.
COMMAND = (sys.executable, "-P", "-c", SCRIPT)


def smoke_test(model: str, folder: Path, command: Sequence[str] = COMMAND) -> None:
    """Score one text with the version in `folder`; raise ArtifactInvalid if that fails."""
    try:
        done = subprocess.run(
            [*command, str(folder)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=os.environ | {"TOKENIZERS_PARALLELISM": "false"},
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ArtifactInvalid(
            f"{model} did not score a text within {TIMEOUT_S:g} s, so it cannot serve."
        ) from error
    if done.returncode != 0:
        failure = describe_failure(done.returncode, done.stderr.decode("utf-8", "replace"))
        raise ArtifactInvalid(f"{model} cannot score a text, so it cannot serve: {failure}.")


def describe_failure(returncode: int, stderr: str) -> str:
    """Return the signal that killed the process, else the last line it printed."""
    if returncode < 0:
        return f"it crashed the process that scored with it ({signal_name(-returncode)})"
    lines = stderr.strip().splitlines() or [f"it ended with exit code {returncode} and no message"]
    return lines[-1].rstrip(". ")


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
