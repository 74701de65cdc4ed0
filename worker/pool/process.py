"""What one worker process holds: its own engine and its own model, built after the fork."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Engine

from plumbline.settings import Settings
from scoring.scorer import Scorer
from storage.database import connect
from storage.direct import PersistentConnection, connect_direct
from storage.serving import deployments
from worker.pool.drain import Drain
from worker.pool.in_flight import InFlightRecord, InFlightTable
from worker.pool.lease_renewal import LeaseRenewal
from worker.pool.loaded_models import LoadedModels
from worker.pool.watchdog import Watchdog

# Made in the parent, since what is shared must be there before the fork.
DRAIN = Drain()
IN_FLIGHT = InFlightTable()
load_scorer: Callable[..., Scorer] = Scorer.load


@dataclass(frozen=True, slots=True)
class Guards:
    """What watches over the scoring of texts, one by one."""

    drain: Drain = field(default_factory=Drain)
    slot: InFlightRecord = field(default_factory=InFlightRecord)
    watchdog: Watchdog = field(default_factory=Watchdog)

    def begin(self, position: int) -> None:
        """The text at this position of the message is scored from now on."""
        self.slot.take_in_hand(position)
        self.watchdog.arm()

    def end(self) -> None:
        self.watchdog.disarm()
        self.slot.take_in_hand(None)


@dataclass(frozen=True, slots=True)
class Process:
    """`statements` runs those of the main thread, each a transaction, all that scoring needs."""

    settings: Settings
    engine: Engine
    statements: PersistentConnection
    live_model: LoadedModels
    guards: Guards = field(default_factory=Guards)
    keeper: LeaseRenewal | None = None

    @classmethod
    def start(cls, settings: Settings, place: int) -> Process:
        """Connect lazily; a connection must not be made before the fork.

        `place` is this process's in its pool.
        """
        assert settings.database_url is not None
        url = settings.database_url.get_secret_value()
        statements = connect_direct(url)
        guards = Guards(DRAIN, IN_FLIGHT.slot(place), Watchdog(settings.text_timeout_s))
        guards.watchdog.install()
        keeper = LeaseRenewal(statements, settings.lease_s, DRAIN)
        keeper.start()
        return cls(
            settings,
            connect(url),
            PersistentConnection(statements),
            LoadedModels(
                settings.models_dir,
                settings.model,
                partial(load_scorer, max_chars=settings.max_text_chars),
            ),
            guards,
            keeper,
        )

    def load_model(self) -> None:
        """Load what serves now, so that the first text does not wait for it."""
        with self.engine.connect() as connection:
            serving = deployments.serving(connection)
        self.live_model.answering(serving)

    def stop(self) -> None:
        self.engine.dispose()
        self.statements.close()


_current: Process | None = None


def start_process(settings: Settings, place: int) -> Process:
    global _current
    _current = Process.start(settings, place)
    return _current


def current_process() -> Process:
    assert _current is not None, "start_process comes first; worker.lifecycle calls it"
    return _current
