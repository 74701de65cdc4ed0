"""The models this process serves with, changed between two messages when others are deployed."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from pathlib import Path
from time import monotonic

from scoring.artifact.registry import resolve
from scoring.errors import ScoringError
from scoring.scorer import Scorer
from storage.serving.deployments import Serving, in_canary_share

log = logging.getLogger(__name__)
# A version may be deployed before its files have reached this machine.
RETRY_S = 30.0


@dataclass(frozen=True, slots=True)
class Scorers:
    """Who answers the texts of one message, from its claim to its end."""

    live: Scorer
    canary: Scorer | None = None
    canary_share: float = 0.0

    def scorer(self, job: uuid.UUID) -> Scorer:
        """The one that answers this job."""
        if self.canary is not None and in_canary_share(job, self.canary_share):
            return self.canary
        return self.live


class LoadedModels:
    """Holds the live version loaded, and canary and shadow where there are any; drops all others.

    A version that cannot be loaded is logged and tried again RETRY_S later. Until then the live one
    held goes on serving, for a canary too: each row names the version that scored it.
    """

    def __init__(
        self, models_dir: Path, default: str, load: Callable[[Path], Scorer] = Scorer.load
    ) -> None:
        self._models_dir = models_dir
        self._default = default
        self._load = load
        self._held: dict[str, Scorer] = {}
        self._live: str | None = None
        self._retry_at: dict[str, float] = {}

    def answering(self, serving: Serving | None, now: Callable[[], float] = monotonic) -> Scorers:
        """The scorers for what serves, or for the setting's version where nothing is deployed yet.

        Raises ScoringError, OSError or MemoryError where no live version is held.
        """
        wanted = serving or Serving(self._default)
        self._drop_all_but(wanted)
        if self._scorer(wanted.live, now) is not None:
            self._live = wanted.live
            self._drop_all_but(wanted)
        assert self._live is not None
        canary = self._scorer(wanted.canary, now)
        return Scorers(self._held[self._live], canary, wanted.canary_share)

    def shadow(self, serving: Serving, now: Callable[[], float] = monotonic) -> Scorer | None:
        """The shadow's scorer; None where there is none or it cannot be loaded.

        Asked for after the answers are written, so that none waits for its loading.
        """
        return self._scorer(serving.shadow, now)

    def _scorer(self, name: str | None, now: Callable[[], float]) -> Scorer | None:
        if name is None:
            return None
        if name in self._held or now() < self._retry_at.get(name, -inf):
            return self._held.get(name)
        try:
            self._held[name] = self._open(name)
        except (ScoringError, OSError, MemoryError) as error:
            if self._live is None:
                raise
            log.error("%s cannot serve, and %s goes on: %s", name, self._live, error)
            self._retry_at[name] = now() + RETRY_S
        return self._held.get(name)

    def _open(self, name: str) -> Scorer:
        scorer = self._load(resolve(self._models_dir, name))
        scorer.warm_up()
        return scorer

    def _drop_all_but(self, wanted: Serving) -> None:
        """The live one held stays until its successor is loaded."""
        names = {self._live, wanted.live, wanted.canary, wanted.shadow}
        self._held = {name: held for name, held in self._held.items() if name in names}
        self._retry_at = {name: at for name, at in self._retry_at.items() if name in names}
