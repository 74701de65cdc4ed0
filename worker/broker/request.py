"""A message in the parent, which learns when the child that processed it died."""

from __future__ import annotations

import logging
from typing import Any

from celery.exceptions import Ignore, Reject, Retry, WorkerLostError
from celery.worker.request import Request

from plumbline.messages import MessageRejected
from worker.broker.rejection import log_rejection
from worker.celery import services, settings
from worker.pool.crash_report import report_crash
from worker.pool.process import IN_FLIGHT

log = logging.getLogger(__name__)


class MessageRequest(Request):  # type: ignore[misc]
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # A producer's time limit would kill a child for texts that are not at fault, and one that
        # is not a number would kill the worker. The watchdog enforces the time limit.
        self.time_limits = (None, None)
        # What Celery takes for the decoded body: the task decodes the real one.
        self._body = ((), {BODY_ARGUMENT: self._message.body}, None)
        self._content_type = None

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        """Report a crash before the message is requeued, so that its next receiver can claim."""
        error = exc_info.exception
        # billiard wraps an error in an object's `exc`; a Retry has the reason of the retry there.
        if not isinstance(error, Retry):
            error = getattr(error, "exc", error)
        if isinstance(error, WorkerLostError):
            try:
                self._report_crash(str(error))
            except Exception:
                # The message must be requeued in any case.
                log.exception("the leases of a crashed process were not returned and will expire")
        elif not isinstance(error, (Ignore, Reject, Retry)):
            # Celery warns about an unreadable message only once in the life of a process.
            log_rejection(self.id, error)
        return super().on_failure(exc_info, *args, **kwargs)

    def maybe_expire(self) -> bool:
        """Never expire a message by the clock of this machine; see `worker.broker.expiry`."""
        return False

    def revoked(self) -> bool:
        """Never skip a message: only remote control revokes, and a file of Celery's own."""
        return False

    def _report_crash(self, exit_description: str) -> None:
        record = IN_FLIGHT.for_pid(self.worker_pid) if self.worker_pid else None
        if record is not None:
            report_crash(record, exit_description, settings, services)
