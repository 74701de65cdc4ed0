"""The lines of workers and beat: no text in them, and as JSON where that is asked for."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from celery import current_task

from plumbline.settings import LogFormat
from worker.telemetry.redaction import RedactionFilter

# What a line may carry beside its message. Whatever else a record has, as Celery's records have a
# message's arguments, is not ours to show.
FIELDS = (
    "message_id",
    "job_id",
    "kind",
    "source",
    "models",
    "scored",
    "rejected",
    "failed",
    "elsewhere",
    "returned",
    "shadow_scored",
    "shadow_failed",
    "chunk_ms",
    "score_ms",
    "queue_ms",
    "tokens",
)


class JsonFormatter(logging.Formatter):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": record.processName,
            "pid": record.process,
            "message": record.getMessage(),
        }
        if current_task and current_task.request.id:
            line |= {"task": current_task.name, "task_id": current_task.request.id}
        line |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = type(record.exc_info[1]).__name__
            line["traceback"] = record.exc_text
        return json.dumps(line, default=str)


def configure_logging(handlers: Iterable[logging.Handler], log_format: LogFormat) -> None:
    """Make these handlers write as we want it; a second time changes nothing."""
    for handler in handlers:
        if not any(isinstance(each, RedactionFilter) for each in handler.filters):
            handler.addFilter(RedactionFilter())
        if log_format is LogFormat.JSON:
            handler.setFormatter(JsonFormatter())
