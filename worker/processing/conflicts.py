"""Conflicts: texts in a message whose key belongs to another text. Each ends in a row."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from plumbline.queues import SCORE_TASK
from plumbline_client.new_job import NewJob
from plumbline_client.queues import SCORE_QUEUE
from storage import rejected_messages
from storage.direct import Executor
from storage.jobs.claim import Lease, conflicts
from storage.rejected_messages import RejectedMessage
from worker.processing.slices import Slice

if TYPE_CHECKING:
    from worker.processing.score_message import Delivery

log = logging.getLogger(__name__)
REASON = "the key belongs to another text, so this text is not scored"


def record_conflicts(
    connection: Executor,
    part: Slice,
    delivery: Delivery,
    arriving: Sequence[NewJob],
    leases: Sequence[Lease],
) -> int:
    """Write a row per text of the message that is in conflict, and return their number.

    It is called before a text is scored, because a crash would leave the message without a row. A
    message that is delivered again adds no second row.
    """
    if not (refused := conflicts(connection, arriving, leases)):
        return 0
    jobs = enumerate(part.message.jobs, part.first)
    texts = (position for position, job in jobs if job.text is not None)
    positions = {id(job): position for job, position in zip(arriving, texts, strict=True)}
    rows = [
        RejectedMessage(
            queue=delivery.list_name or SCORE_QUEUE,
            reason=REASON,
            message_id=delivery.message_id,
            task=SCORE_TASK,
            source=job.source,
            job_id=job.id,
            key=job.key,
            position=positions[id(job)],
        )
        for job in refused
    ]
    rejected_messages.add_once(connection, rows)
    log.warning(
        "message %s: the keys of %d texts belong to other texts, the first to job %s; these texts "
        "are not scored",
        delivery.message_id,
        len(rows),
        rows[0].job_id,
        extra={"message_id": delivery.message_id, "job_id": rows[0].job_id},
    )
    return len(rows)
