"""The model this process serves with, changed between two messages when another is promoted."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from scoring.errors import ScoringError
from scoring.registry import resolve
from scoring.scorer import Scorer

log = logging.getLogger(__name__)
# A version may be promoted before its files have reached this machine.
RETRY_S = 30.0


class LiveModel:
    """Holds one loaded scorer and replaces it when another version goes live."""

    def __init__(
        self, models_dir: Path, default: str, load: Callable[[Path], Scorer] = Scorer.load
    ) -> None:
        self._models_dir = models_dir
        self._default = default
        self._load = load
        self._name: str | None = None
        self._scorer: Scorer | None = None
        self._retry_at = 0.0

    def scorer(self, live: str | None, now: Callable[[], float] = monotonic) -> Scorer:
        """The scorer for the version `live`, or for the setting's where nothing is deployed yet.

        A version that cannot be loaded is logged and tried again RETRY_S later; until then the one
        held goes on serving: each row names the version that scored it. Raises ScoringError or
        OSError where none is held.
        """
        name = live or self._default
        if self._scorer is not None and (name == self._name or now() < self._retry_at):
            return self._scorer
        try:
            self._scorer = self._open(name)
            self._name = name
        except (ScoringError, OSError) as error:
            if self._scorer is None:
                raise
            log.error("%s cannot serve, and %s goes on: %s", name, self._scorer.name, error)
            self._retry_at = now() + RETRY_S
        return self._scorer

    def _open(self, name: str) -> Scorer:
        scorer = self._load(resolve(self._models_dir, name))
        scorer.warm_up()
        return scorer
