"""How the parent sees a scoring message: it also hears of the child that died over it."""

from __future__ import annotations

import logging
from typing import Any

from celery.exceptions import Ignore, Reject, Retry, WorkerLostError
from celery.worker.request import Request

from plumbline.messages import MessageRejected
from worker.broker.rejection import log_rejection
from worker.pool.crash_report import report_crash
from worker.pool.process import IN_FLIGHT

log = logging.getLogger(__name__)


class ScoreRequest(Request):  # type: ignore[misc]
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # A producer's limit would kill a child over texts that are not at fault, and one that is
        # no number would kill the worker; ours is the watchdog's.
        self.time_limits = (None, None)
        # In the child Celery would only warn of these, without the id.
        *_, embedded = ({},) if self._decoded else self._message.payload
        if not isinstance(self._args, list | tuple):
            raise MessageRejected("args: the message's positional arguments are no list")
        if not isinstance(self._kwargs, dict):
            raise MessageRejected("kwargs: the message's keyword arguments are no object")
        if not isinstance(embedded, dict | None):
            raise MessageRejected("embed: what comes with the message is no object")

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        """Before the message goes back, so that whoever gets it finds the texts free again."""
        error = exc_info.exception
        # billiard's wrapper has the error in `exc`; a Retry has there what it is tried again for.
        if not isinstance(error, Retry):
            error = getattr(error, "exc", error)
        if isinstance(error, WorkerLostError):
            try:
                self._bury(str(error))
            except Exception:
                # Nothing here may keep the message from going back.
                log.exception("what a dead child held waits for its leases to run out")
        elif not isinstance(error, (Ignore, Reject, Retry)):
            # Celery warns of one it could not read, but only once in a process's life.
            log_rejection(self.id, error)
        return super().on_failure(exc_info, *args, **kwargs)

    def revoked(self) -> bool:
        """Whether it is not to be begun. What its sender let expire ends here, so it is said."""
        known = self._already_revoked
        revoked = bool(super().revoked())
        if revoked and not known:
            log_rejection(self.id, MessageRejected("it had expired, or was revoked"))
        return revoked

    def _bury(self, ending: str) -> None:
        from worker.celery import settings

        slot = IN_FLIGHT.of(self.worker_pid) if self.worker_pid else None
        if slot is not None:
            report_crash(slot, ending, settings)
