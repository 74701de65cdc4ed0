"""What one worker process owns: its engine, its models and its guards, built after the fork."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Engine

from plumbline.settings import Settings
from plumbline_client.errors import StorageError
from plumbline_client.services import Services
from scoring.scorer import Scorer
from storage.database import connect, translate_errors
from storage.direct import PersistentConnection, connect_direct
from storage.serving import deployments
from worker.pool.drain import Drain
from worker.pool.in_flight import InFlightRecord, InFlightTable
from worker.pool.lease_renewal import LeaseRenewal
from worker.pool.loaded_models import LoadedModels
from worker.pool.node import runtime_options
from worker.pool.registered_versions import RegisteredVersions
from worker.pool.start_cost import StartCost
from worker.pool.watchdog import Watchdog

log = logging.getLogger(__name__)
# Allocated in the parent: shared memory must exist before the fork.
DRAIN = Drain()
IN_FLIGHT = InFlightTable()
START_COST = StartCost()
load_scorer: Callable[..., Scorer] = Scorer.load


@dataclass(frozen=True, slots=True)
class Guards:
    """What observes and limits the scoring of each text."""

    drain: Drain = field(default_factory=Drain)
    in_flight: InFlightRecord = field(default_factory=InFlightRecord)
    watchdog: Watchdog = field(default_factory=Watchdog)

    def begin_text(self, position: int) -> None:
        """Record the position in the message of the text being scored, and limit its time."""
        self.in_flight.set_scoring(position)
        self.watchdog.arm()

    def end_text(self) -> None:
        self.watchdog.disarm()
        self.in_flight.set_scoring(None)


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """The resources of this process.

    `statements` runs the main thread's statements, each in a transaction of its own, which is all
    that scoring needs.
    """

    settings: Settings
    services: Services
    engine: Engine
    statements: PersistentConnection
    models: LoadedModels
    guards: Guards = field(default_factory=Guards)
    lease_renewal: LeaseRenewal | None = None

    @classmethod
    def start(cls, settings: Settings, services: Services, pool_index: int) -> WorkerProcess:
        """Build the resources; connections are made when first needed, never before the fork."""
        statements = connect_direct(services.database_url)
        guards = Guards(DRAIN, IN_FLIGHT.record(pool_index), Watchdog(settings.text_timeout_s))
        guards.watchdog.install()
        lease_renewal = LeaseRenewal(statements, settings.lease_s, DRAIN)
        lease_renewal.start()
        engine = connect(services.database_url)
        return cls(
            settings,
            services,
            engine,
            PersistentConnection(statements),
            LoadedModels(
                settings.models_dir,
                settings.model,
                partial(
                    load_scorer,
                    max_chars=settings.max_text_chars,
                    options=runtime_options(settings, IN_FLIGHT),
                ),
                RegisteredVersions(engine, settings),
            ),
            guards,
            lease_renewal,
        )

    def load_models(self) -> None:
        """Load the deployed versions, so that the first text does not wait for them.

        Without PostgreSQL, the first message loads them.
        """
        try:
            with translate_errors(self.engine):
                with self.engine.connect() as connection:
                    serving = deployments.serving(connection)
                self.models.scorers_for(serving)
        except StorageError as unavailable:
            log.warning("the models are loaded with the first message: %s", unavailable)

    def stop(self) -> None:
        self.engine.dispose()
        self.statements.close()


_current: WorkerProcess | None = None


def start_process(settings: Settings, services: Services, pool_index: int) -> WorkerProcess:
    global _current
    _current = WorkerProcess.start(settings, services, pool_index)
    return _current


def current_process() -> WorkerProcess:
    assert _current is not None, "start_process must run first; worker.lifecycle calls it"
    return _current
