"""What the database knows of model versions: what each must be, and which machine refused one."""

from __future__ import annotations

import logging
from contextlib import suppress

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from plumbline.heartbeat import machine_name
from plumbline.registered_trust import registered_trust
from plumbline.settings import Settings
from scoring.artifact.trust import Trust
from storage.serving import model_faults
from storage.serving.model_faults import Fault
from worker.telemetry import metrics
from worker.telemetry.metrics import ErrorKind

log = logging.getLogger(__name__)


class RegisteredVersions:
    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._refused: set[str] = set()

    def trust(self, model: str) -> Trust:
        """Return what the version has to prove. Raises DBAPIError."""
        with self._engine.connect() as connection:
            return registered_trust(connection, self._settings, model)

    def refuse(self, model: str, reason: str) -> None:
        """Record that this machine does not load the version, which raises an alert."""
        self._refused.add(model)
        metrics.count_error(ErrorKind.ARTIFACT)
        try:
            with self._engine.begin() as connection:
                model_faults.record(connection, Fault(model, machine_name(), reason))
        except DBAPIError as error:
            log.warning("that %s is refused could not be recorded: %s", model, error.orig)

    def accept(self, model: str) -> None:
        """Forget that this process refused the version."""
        if model not in self._refused:
            return
        self._refused.discard(model)
        # Otherwise the record expires.
        with suppress(DBAPIError), self._engine.begin() as connection:
            model_faults.clear(connection, model, machine_name())
