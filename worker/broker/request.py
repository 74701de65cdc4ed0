"""A message in the parent, which learns when the child that processed it died."""

from __future__ import annotations

import logging
from typing import Any

from celery.exceptions import Ignore, Reject, Retry, WorkerLostError
from celery.worker.request import Request

from plumbline.messages import MessageRejected
from storage.rejected_messages import RejectedMessage
from worker.broker.message_task import BODY_ARGUMENT
from worker.broker.put_back import counts_as
from worker.broker.rejected_messages import WRITER
from worker.broker.rejection import log_rejection, row_reason
from worker.broker.unacknowledged import FAILED
from worker.celery import services, settings
from worker.pool.crash_report import report_crash
from worker.pool.process import DRAIN, IN_FLIGHT, START_COST

log = logging.getLogger(__name__)


class MessageRequest(Request):  # type: ignore[misc]
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # What Celery takes for the decoded body: the task decodes the real one.
        self._body = ((), {BODY_ARGUMENT: self._message.body}, None)
        self._content_type = None

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        self._message.channel.lanes.started(self._message.delivery_tag)
        super().on_accepted(pid, time_accepted)

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        """Report a crash before the message is requeued, so that its next receiver can claim.

        A crash before the claim is counted, since the message may be its cause.
        """
        error = exc_info.exception
        # billiard wraps an error in an object's `exc`; a Retry has the reason of the retry there.
        if not isinstance(error, Retry):
            error = getattr(error, "exc", error)
        if isinstance(error, WorkerLostError):
            self._message.channel.lanes.crashed(self._message.delivery_tag, START_COST.seconds)
            if not self._report_crash(str(error)) and not DRAIN.begun():
                self._message.count_as = FAILED
        elif isinstance(error, Reject):
            self._message.count_as = counts_as(error)
        elif not isinstance(error, (Ignore, Retry)):
            # Celery warns about an unreadable message only once in the life of a process.
            self._record_rejection(error)
        return super().on_failure(exc_info, *args, **kwargs)

    def maybe_expire(self) -> bool:
        """Never expire a message by this machine's clock; see `worker.broker.message_times`."""
        return False

    def revoked(self) -> bool:
        """Never skip a message: only remote control revokes, and a file of Celery's own."""
        return False

    def _report_crash(self, exit_description: str) -> bool:
        """Return whether the dead child held leases, which count the attempt for each text."""
        record = IN_FLIGHT.for_pid(self.worker_pid) if self.worker_pid else None
        if record is None:
            return False
        try:
            return report_crash(record, exit_description, settings, services)
        except Exception:
            # The message must be requeued in any case.
            log.exception("the leases of a crashed process were not returned and will expire")
            return True

    def _record_rejection(self, error: BaseException) -> None:
        rejection = error if isinstance(error, Exception) else MessageRejected(row_reason(error))
        log_rejection(self.id, rejection)
        WRITER.add(
            RejectedMessage(
                queue=str(self._delivery_info["routing_key"]),
                reason=row_reason(error),
                message_id=self.id,
                task=self.type,
            )
        )
