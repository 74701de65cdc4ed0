"""Texts that do what no text of a healthy model does, for a scorer that obeys them.

No model dies on demand, and production code has no hook for it: `tests.poison_app` is a worker like
any other but for its scorer.
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
# Interruptible work of a known length: "SLOW 0.5" takes half a second.
SLOW = "SLOW "
# An error that quotes what it fails on.
RAISE = "POISON raise"
# Where this variable names a file, no model is loaded before that is there.
GATE = "TEST_MODEL_GATE"

_libc = ctypes.CDLL(None)
# Called while the interpreter is held, as by a native extension that hangs.
_holding = ctypes.PyDLL(None)


class PoisonedScorer(Scorer):
    def score(self, text: str) -> Score:
        if text.startswith(SEGFAULT):
            _libc.memset(0, 1, 1)
        elif text.startswith(EXHAUST):
            hoard = []
            while True:
                # Asked for and not written to: it counts, and takes no time under load.
                hoard.append(bytes(16_000_000))
        elif text.startswith(HANG):
            while True:
                _holding.usleep(1_000_000)
        elif text.startswith(RAISE):
            raise ValueError(f"no way to score {text!r}")
        elif text.startswith(SLOW):
            log.warning("a slow text is begun")
            time.sleep(float(text.split()[1]))  # the slow work itself
        return super().score(text)


def load(folder: Path, **options: Any) -> Scorer:
    gate = os.environ.get(GATE)
    if gate:
        log.warning("the model waits at the gate")
    while gate and not Path(gate).exists():
        time.sleep(0.05)  # between two looks at the gate
    return PoisonedScorer.load(folder, **options)
