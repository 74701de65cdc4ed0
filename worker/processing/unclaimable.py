"""Texts of a message that PostgreSQL does not accept, however often they are tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.queues import SCORE_TASK
from plumbline_client.identity import keyed_id
from plumbline_client.queues import SCORE_QUEUE
from storage import rejected_messages
from storage.jobs.finish import reject_queued
from storage.rejected_messages import RejectedMessage
from worker.broker.gate import MOST_FAILURES
from worker.broker.put_back import is_final, is_outage
from worker.broker.rejection import row_reason
from worker.pool.process import WorkerProcess
from worker.processing.slices import Slice

if TYPE_CHECKING:
    from worker.processing.score_message import Delivery


def ends_text(error: BaseException, failures: int) -> bool:
    """Return whether an error ends the one text of its slice.

    In its first attempt a message is claimed in slices of many texts, so that nothing is known
    about a single one.
    """
    if failures == 0 or is_outage(error):
        return False
    return is_final(error) or failures >= MOST_FAILURES - 1


def end_text(process: WorkerProcess, part: Slice, delivery: Delivery, error: BaseException) -> None:
    """End the text in a row: that of its job, or one of a rejected message.

    Raises DBAPIError.
    """
    (job,) = part.message.jobs
    reason = row_reason(error)
    with process.engine.begin() as connection:
        if job.id is not None:
            reject_queued(connection, job.id, reason)
            return
        source = part.message.source
        row = RejectedMessage(
            queue=delivery.list_name or SCORE_QUEUE,
            reason=reason,
            message_id=delivery.message_id,
            task=SCORE_TASK,
            source=source,
            job_id=keyed_id(source, job.key) if job.key is not None else None,
            key=job.key,
            position=part.first,
        )
        rejected_messages.add_once(connection, [row])
