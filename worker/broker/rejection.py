"""The one line in the log by which a message ends that is none of ours: its id, and why."""

from __future__ import annotations

import logging
from typing import Any

from plumbline.messages import MessageRejected
from plumbline_client.errors import StorageError
from worker.telemetry import metrics
from worker.telemetry.metrics import ErrorKind

log = logging.getLogger(__name__)
LONGEST_NAME = 200


def log_rejection(task_id: Any, error: Exception) -> None:
    """Log and count it. An id that a line cannot show is left out."""
    counted = metrics.error(ErrorKind.MESSAGE)
    # Other errors than ours say little without their name.
    why = "%s" if isinstance(error, (MessageRejected, StorageError)) else "%r"
    if _can_be_shown(task_id):
        told = counted | {"message_id": task_id}
        log.error(f"message %s is rejected: {why}", task_id, error, extra=told)
    else:
        log.error(f"what is no message is rejected: {why}", error, extra=counted)


def id_of(headers: Any) -> Any:
    """The id a message's headers give it, where they do."""
    return headers.get("id") if isinstance(headers, dict) else None


def _can_be_shown(task_id: Any) -> bool:
    if not isinstance(task_id, str) or not 0 < len(task_id) <= LONGEST_NAME:
        return False
    return task_id.isprintable() and " " not in task_id
