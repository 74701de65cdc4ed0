"""What one worker process holds: its own engine and its own model, built after the fork."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Engine

from plumbline.settings import Settings
from scoring.scorer import Scorer
from storage.database import connect
from storage.direct import Kept, connect_direct
from storage.serving import deployments
from worker.pool.drain import Drain
from worker.pool.in_flight import Slate, Slot
from worker.pool.lease_renewal import Keeper
from worker.pool.loaded_models import LiveModel
from worker.pool.watchdog import Watchdog

# Made in the parent, since what is shared must be there before the fork.
DRAIN = Drain()
SLATE = Slate()
load_scorer: Callable[..., Scorer] = Scorer.load


@dataclass(frozen=True, slots=True)
class Guards:
    """What watches over the scoring of texts, one by one."""

    drain: Drain = field(default_factory=Drain)
    slot: Slot = field(default_factory=Slot)
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
    statements: Kept
    live_model: LiveModel
    guards: Guards = field(default_factory=Guards)
    keeper: Keeper | None = None

    @classmethod
    def start(cls, settings: Settings, place: int) -> Process:
        """Connect lazily; a connection must not be made before the fork.

        `place` is this process's in its pool.
        """
        assert settings.database_url is not None
        url = settings.database_url.get_secret_value()
        statements = connect_direct(url)
        guards = Guards(DRAIN, SLATE.slot(place), Watchdog(settings.text_timeout_s))
        guards.watchdog.install()
        keeper = Keeper(statements, settings.lease_s, DRAIN)
        keeper.start()
        return cls(
            settings,
            connect(url),
            Kept(statements),
            LiveModel(
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
