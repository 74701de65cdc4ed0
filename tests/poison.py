"""Texts that crash, exhaust, block or delay their worker, and a scorer that obeys them.

No model dies on demand, and production code has no hook for it: `tests.poison_app` is a worker that
differs only in its scorer.
"""

from __future__ import annotations

import ctypes
import logging
import os
import time
from pathlib import Path
from typing import Any

from scoring.score import Score
from scoring.scorer import Scorer

log = logging.getLogger(__name__)
SEGFAULT = "POISON segfault"
EXHAUST = "POISON memory"
HANG = "POISON hang"
# Interruptible work of a known duration: "SLOW 0.5" takes half a second.
SLOW = "SLOW "
# Raises an error that quotes the text: of a class that may quote one, and of the system.
RAISE = "POISON raise"
OPEN = "POISON open"
# If this variable names a file, models are loaded only once the file exists.
GATE = "TEST_MODEL_GATE"

_libc = ctypes.CDLL(None)
# Keeps the interpreter locked during a call, as a native extension that hangs does.
_libc_with_gil = ctypes.PyDLL(None)


class PoisonedScorer(Scorer):
    def score(self, text: str) -> Score:
        if text.startswith(SEGFAULT):
            _libc.memset(0, 1, 1)
        elif text.startswith(EXHAUST):
            blocks = []
            while True:
                # Allocated but not written to: it counts against the limit and costs no time.
                blocks.append(bytes(16_000_000))
        elif text.startswith(HANG):
            while True:
                _libc_with_gil.usleep(1_000_000)
        elif text.startswith(RAISE):
            raise ValueError(f"cannot score {text!r}")
        elif text.startswith(OPEN):
            Path(text).read_text(encoding="utf-8")
        elif text.startswith(SLOW):
            log.warning("scoring a slow text")
            time.sleep(float(text.split()[1]))  # the slow work itself
        return super().score(text)


def load(folder: Path, *arguments: Any, **options: Any) -> Scorer:
    gate = os.environ.get(GATE)
    if gate:
        log.warning("waiting for the gate before loading the model")
    while gate and not Path(gate).exists():
        time.sleep(0.05)  # the interval between two checks of the gate
    return PoisonedScorer.load(folder, *arguments, **options)
