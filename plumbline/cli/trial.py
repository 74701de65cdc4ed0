"""One text scored with a version before it may serve, in a process of its own.

A model file can be whole and still end the process that runs it; then it ends this one.
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
# More than one window of any model, so that its longest input is tried too.
TEXT = "ready when you are " * 200
SCORE = f"""
import sys
from pathlib import Path
from scoring.errors import ScoringError
from scoring.scorer import Scorer
try:
    Scorer.load(Path(sys.argv[1])).score({TEXT!r})
except ScoringError as error:
    raise SystemExit(" ".join(str(error).split()))
"""
# -P: a `scoring.py` in the folder one works in is not ours.
COMMAND = (sys.executable, "-P", "-c", SCORE)


def try_out(model: str, folder: Path, command: Sequence[str] = COMMAND) -> None:
    """Score one text with the version in `folder`; raise ArtifactInvalid where that fails."""
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
            f"{model} did not score a text within {TIMEOUT_S:g} s, so it does not serve."
        ) from error
    if done.returncode != 0:
        how = told(done.returncode, done.stderr.decode("utf-8", "replace"))
        raise ArtifactInvalid(f"{model} cannot score a text, so it does not serve: {how}.")


def told(returncode: int, said: str) -> str:
    """How the process ended: the signal that killed it, else the last thing it said."""
    if returncode < 0:
        return f"it crashed the process that tried it ({signal_name(-returncode)})"
    lines = said.strip().splitlines() or [f"it ended with exit code {returncode} and no word"]
    return lines[-1].rstrip(". ")


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
