"""The model this process serves with, changed between two messages when another is promoted."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from scoring.errors import ArtifactError
from scoring.registry import resolve
from scoring.scorer import Scorer

log = logging.getLogger(__name__)


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

    def scorer(self, live: str | None) -> Scorer:
        """The scorer for the version `live`, or for the setting's where nothing is deployed yet.

        A version that cannot be loaded is logged once and the one held goes on serving: each row
        names the version that scored it. Raises ArtifactError where none is held.
        """
        name = live or self._default
        if self._scorer is not None and name == self._name:
            return self._scorer
        try:
            self._scorer = self._open(name)
        except ArtifactError as error:
            if self._scorer is None:
                raise
            log.error("%s cannot serve, and %s goes on: %s", name, self._name, error)
        self._name = name
        return self._scorer

    def _open(self, name: str) -> Scorer:
        scorer = self._load(resolve(self._models_dir, name))
        scorer.warm_up()
        return scorer
