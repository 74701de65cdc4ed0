"""A run's state on disk, replaced atomically: a kill at any moment leaves a usable checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from time import monotonic
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from plumbline.system_errors import cause_and_cure
from training.atomic_write import atomic_file
from training.errors import TrainingError
from training.loop.history import History

Arrays = list[NDArray[Any]]
STATE, BEST = "state.npz", "best.npz"


class Checkpoint:
    """The state of one run, in its own folder. `due` is True `every_s` seconds after a save."""

    def __init__(self, folder: Path, every_s: float) -> None:
        self._folder, self._every_s = folder, every_s
        self._saved_at = monotonic()

    @property
    def due(self) -> bool:
        return monotonic() - self._saved_at >= self._every_s

    def save(self, history: History, state: Arrays) -> None:
        self._write(STATE, state, history)
        self._saved_at = monotonic()

    def save_best(self, weights: Arrays) -> None:
        self._write(BEST, weights, None)

    def load(self) -> tuple[History, Arrays] | None:
        """Return the state that was saved last, or None if nothing was saved."""
        saved = self._read(STATE)
        return None if saved is None else (History(**saved[0]), saved[1])

    def load_best(self) -> Arrays | None:
        saved = self._read(BEST)
        return None if saved is None else saved[1]

    def clear(self) -> None:
        for name in (STATE, BEST):
            (self._folder / name).unlink(missing_ok=True)

    def _write(self, name: str, arrays: Arrays, history: History | None) -> None:
        about = json.dumps(history.as_dict() if history else {})
        named = {f"a{n}": array for n, array in enumerate(arrays)}
        named["about"] = np.frombuffer(about.encode(), np.uint8)
        try:
            with atomic_file(self._folder / name) as file:
                np.savez(file, allow_pickle=False, **named)
        except OSError as error:
            raise TrainingError(
                f"The run's state could not be saved in {self._folder}: {cause_and_cure(error)}. "
                "The state saved before is intact, and the same command resumes from it."
            ) from error

    def _read(self, name: str) -> tuple[dict[str, Any], Arrays] | None:
        path = self._folder / name
        if not path.exists():
            return None
        try:
            with path.open("rb") as file, np.load(file) as saved:
                about = json.loads(saved["about"].tobytes())
                return about, [saved[f"a{n}"] for n in range(len(saved.files) - 1)]
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise TrainingError(
                f"{path} cannot be read: {error}; remove it to restart the run."
            ) from error
