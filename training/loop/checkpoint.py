"""A run's state on disk, replaced whole: a kill at any moment leaves the last one usable."""

from __future__ import annotations

import json
import os
from pathlib import Path
from time import monotonic
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from training.errors import TrainingError
from training.loop.history import History

Arrays = list[NDArray[Any]]
STATE, BEST = "state.npz", "best.npz"


class Checkpoint:
    """In a folder of its own; `every_s` seconds apart at most, and at the end of each epoch."""

    def __init__(self, folder: Path, every_s: float) -> None:
        self._folder, self._every_s = folder, every_s
        self._saved = monotonic()

    @property
    def due(self) -> bool:
        return monotonic() - self._saved >= self._every_s

    def save(self, history: History, state: Arrays) -> None:
        self._write(STATE, state, history)
        self._saved = monotonic()

    def save_best(self, weights: Arrays) -> None:
        self._write(BEST, weights, None)

    def load(self) -> tuple[History, Arrays] | None:
        """Return where an earlier run stood; None where there was none."""
        found = self._read(STATE)
        return None if found is None else (History(**found[0]), found[1])

    def load_best(self) -> Arrays | None:
        found = self._read(BEST)
        return None if found is None else found[1]

    def clear(self) -> None:
        for name in (STATE, BEST):
            (self._folder / name).unlink(missing_ok=True)

    def _write(self, name: str, arrays: Arrays, history: History | None) -> None:
        about = json.dumps(history.as_dict() if history else {})
        partial = self._folder / f".{name}.partial"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                named = {f"a{n}": array for n, array in enumerate(arrays)}
                named["about"] = np.frombuffer(about.encode(), np.uint8)
                np.savez(file, allow_pickle=False, **named)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._folder / name)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise TrainingError(
                f"The run's state could not be saved in {self._folder}: {error}; what was saved "
                "before is still there, and the same command goes on from it."
            ) from error

    def _read(self, name: str) -> tuple[dict[str, Any], Arrays] | None:
        path = self._folder / name
        if not path.exists():
            return None
        try:
            with path.open("rb") as file, np.load(file) as kept:
                about = json.loads(kept["about"].tobytes())
                return about, [kept[f"a{n}"] for n in range(len(kept.files) - 1)]
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise TrainingError(
                f"{path} cannot be read: {error}; remove it to begin the run anew."
            ) from error
