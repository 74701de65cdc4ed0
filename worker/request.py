"""How the parent sees a scoring message: it also hears of the child that died over it."""

from __future__ import annotations

import logging
from typing import Any

from celery.exceptions import Ignore, Reject, Retry, WorkerLostError
from celery.worker.request import Request

from worker.obituary import write_obituary
from worker.process import SLATE

log = logging.getLogger(__name__)


class ScoreRequest(Request):  # type: ignore[misc]
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # A producer's limit would kill a child over texts that are not at fault, and one that is
        # no number would kill the worker; ours is the watchdog's.
        self.time_limits = (None, None)

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        """Before the message goes back, so that whoever gets it finds the texts free again."""
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        if isinstance(error, WorkerLostError):
            try:
                self._bury(str(error))
            except Exception:
                # Nothing here may keep the message from going back.
                log.exception("what a dead child held waits for its leases to run out")
        elif not isinstance(error, (Ignore, Reject, Retry)):
            # Celery warns of one it could not read, but only once in a process's life.
            log.error("message %s is rejected: %r", self.id, error)
        return super().on_failure(exc_info, *args, **kwargs)

    def _bury(self, ending: str) -> None:
        from worker.celery import settings

        slot = SLATE.of(self.worker_pid) if self.worker_pid else None
        if slot is not None:
            write_obituary(slot, ending, settings)
