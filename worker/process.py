"""What one worker process holds: its own engine and its own model, built after the fork."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from sqlalchemy import Engine

from plumbline.settings import Settings
from scoring.scorer import Scorer
from storage import deployments
from storage.database import connect
from worker.live_model import LiveModel


@dataclass(frozen=True, slots=True)
class Process:
    settings: Settings
    engine: Engine
    live_model: LiveModel

    @classmethod
    def start(cls, settings: Settings) -> Process:
        """Connect lazily; a connection must not be made before the fork."""
        assert settings.database_url is not None
        return cls(
            settings,
            connect(settings.database_url.get_secret_value()),
            LiveModel(
                settings.models_dir,
                settings.model,
                partial(Scorer.load, max_chars=settings.max_text_chars),
            ),
        )

    def load_model(self) -> None:
        """Load what serves now, so that the first text does not wait for it."""
        with self.engine.connect() as connection:
            live = deployments.live_model(connection)
        self.live_model.scorer(live)

    def stop(self) -> None:
        self.engine.dispose()


_current: Process | None = None


def start_process(settings: Settings) -> Process:
    global _current
    _current = Process.start(settings)
    return _current


def current_process() -> Process:
    assert _current is not None, "start_process comes first; worker.lifecycle calls it"
    return _current
