"""The model versions that this process has loaded. They change only between two messages."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from pathlib import Path
from time import monotonic
from typing import Protocol

from sqlalchemy.exc import DBAPIError

from scoring.artifact.artifact import ANY
from scoring.artifact.registry import model_name, resolve
from scoring.artifact.trust import Trust
from scoring.errors import ArtifactUntrusted, ModelUnavailable, ScoringError
from scoring.scorer import Scorer
from storage.serving.deployments import Serving, in_canary_share

log = logging.getLogger(__name__)
# A version may be deployed before its files have reached this machine.
RETRY_S = 30.0
NOT_LOADED = (ScoringError, OSError, MemoryError, DBAPIError)


@dataclass(frozen=True, slots=True)
class Scorers:
    """The scorers for the texts of one message, from its claim to its end."""

    live: Scorer
    canary: Scorer | None = None
    canary_share: float = 0.0

    def for_job(self, job: uuid.UUID) -> Scorer:
        if self.canary is not None and in_canary_share(job, self.canary_share):
            return self.canary
        return self.live


class Versions(Protocol):
    """What a version must prove, and what became of it; see `worker.pool.registered_versions`."""

    def trust(self, model: str) -> Trust: ...

    def refuse(self, model: str, reason: str) -> None: ...

    def accept(self, model: str) -> None: ...


class AnyVersions:
    """Accepts every version whose files belong together."""

    def trust(self, model: str) -> Trust:
        return ANY

    def refuse(self, model: str, reason: str) -> None:
        pass

    def accept(self, model: str) -> None:
        pass


class LoadedModels:
    """Keeps the live version loaded, and canary and shadow if deployed; drops all others.

    A version that cannot be loaded is logged, and tried again after RETRY_S. Until then the live
    version that is loaded continues to serve, also in place of a canary: each row names the version
    that scored it.
    """

    def __init__(
        self,
        models_dir: Path,
        default: str,
        load: Callable[[Path, Trust], Scorer] = Scorer.load,
        registered: Versions | None = None,
    ) -> None:
        self._models_dir = models_dir
        self._default = default
        self._load = load
        self._registered = registered or AnyVersions()
        self._loaded: dict[str, Scorer] = {}
        self._live: str | None = None
        self._retry_at: dict[str, float] = {}

    def scorers_for(self, serving: Serving | None, now: Callable[[], float] = monotonic) -> Scorers:
        """Return the scorers for a deployment; without one, for the version in the settings.

        Raises ModelUnavailable, or MemoryError, if no live version is loaded.
        """
        serving = serving or Serving(self._default)
        self._drop_all_but(serving)
        if self._scorer(serving.live, now) is not None:
            self._live = serving.live
            self._drop_all_but(serving)
        assert self._live is not None
        canary = self._scorer(serving.canary, now)
        return Scorers(self._loaded[self._live], canary, serving.canary_share)

    def shadow_scorer(
        self, serving: Serving, now: Callable[[], float] = monotonic
    ) -> Scorer | None:
        """Return the shadow's scorer; None if no shadow is deployed or it cannot be loaded.

        Call it after the live predictions are written, so that they do not wait for its loading.
        """
        return self._scorer(serving.shadow, now)

    def _scorer(self, name: str | None, now: Callable[[], float]) -> Scorer | None:
        if name is None:
            return None
        if name in self._loaded or now() < self._retry_at.get(name, -inf):
            return self._loaded.get(name)
        try:
            self._loaded[name] = self._load_version(name)
        except NOT_LOADED as error:
            if isinstance(error, ArtifactUntrusted):
                self._registered.refuse(name, str(error))
            if self._live is None and isinstance(error, MemoryError):
                raise
            if self._live is None:
                raise ModelUnavailable(f"{name} cannot be loaded: {error}") from error
            log.error("%s cannot be loaded; %s continues to serve: %s", name, self._live, error)
            self._retry_at[name] = now() + RETRY_S
        return self._loaded.get(name)

    def _load_version(self, name: str) -> Scorer:
        folder = resolve(self._models_dir, name)
        model = model_name(folder)
        scorer = self._load(folder, self._registered.trust(model))
        scorer.warm_up()
        self._registered.accept(model)
        return scorer

    def _drop_all_but(self, serving: Serving) -> None:
        """Drop versions that do not serve; the live one stays until its successor is loaded."""
        names = {self._live, serving.live, serving.canary, serving.shadow}
        self._loaded = {name: scorer for name, scorer in self._loaded.items() if name in names}
        self._retry_at = {name: at for name, at in self._retry_at.items() if name in names}
