"""Rejected messages: one log line with the message's id and the reason, which the row has too."""

from __future__ import annotations

import logging
from typing import Any

from plumbline.messages import MessageRejected
from plumbline_client.errors import PlumblineError
from worker.telemetry import metrics
from worker.telemetry.metrics import ErrorKind

log = logging.getLogger(__name__)
LONGEST_ID = 200
# What parsing a malformed entry raises: bytes that are not JSON (ValueError), JSON of another shape
# (the rest). Errors of Redis itself are not among them.
UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    RecursionError,
    MessageRejected,
)


def log_rejection(task_id: Any, error: Exception) -> None:
    """Log and count a rejected message. An id that is not printable is left out."""
    fields = metrics.count_error(ErrorKind.MESSAGE)
    # Only our own errors are full sentences; of others the line also shows the class.
    reason = "%s" if isinstance(error, PlumblineError) else "%r"
    if is_printable(task_id):
        fields |= {"message_id": task_id}
        log.error(f"message %s is rejected: {reason}", task_id, error, extra=fields)
    else:
        log.error(f"message without a valid id is rejected: {reason}", error, extra=fields)


def row_reason(error: BaseException) -> str:
    """Return the reason for the row. The message of a foreign error may quote a text."""
    return str(error) if isinstance(error, PlumblineError) else f"it failed: {type(error).__name__}"


def message_id(headers: Any) -> Any:
    """Return the id in a message's headers, if there is one."""
    return headers.get("id") if isinstance(headers, dict) else None


def is_printable(task_id: Any) -> bool:
    """Return whether it is an id of a message: 1 to 200 printable characters without a space."""
    if not isinstance(task_id, str) or not 0 < len(task_id) <= LONGEST_ID:
        return False
    return task_id.isprintable() and " " not in task_id
