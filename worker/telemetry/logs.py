"""Log records of workers and beat: redacted, and formatted as JSON if configured."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from statistics import fmean
from typing import Any

from celery import current_task

from plumbline.settings import LogFormat
from plumbline_client.visible import json_line
from worker.processing.outcome import MessageOutcome
from worker.telemetry.redaction import RedactionFilter

# The only extra fields that a JSON line shows. Celery's records have others, such as the arguments
# of a message.
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
    """Formats a record as one line with one JSON object."""

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
        return json_line(json.dumps(line, default=str))


def configure_logging(handlers: Iterable[logging.Handler], log_format: LogFormat) -> None:
    """Add redaction and the format to these handlers. A second call changes nothing."""
    for handler in handlers:
        if not any(isinstance(each, RedactionFilter) for each in handler.filters):
            handler.addFilter(RedactionFilter())
        if log_format is LogFormat.JSON:
            handler.setFormatter(JsonFormatter())


def message_fields(
    message_id: str, source: str, outcome: MessageOutcome, duration_s: float
) -> dict[str, Any]:
    """Return the fields of a message's log line.

    `score_ms` and `queue_ms` are means over the scored texts, and absent if there are none.
    """
    predictions = outcome.written
    fields: dict[str, Any] = {
        "message_id": message_id,
        "source": source,
        "models": sorted({prediction.model for prediction in predictions}),
        "scored": outcome.scored,
        "rejected": outcome.rejected_count,
        "failed": len(outcome.failed),
        "elsewhere": outcome.skipped,
        "returned": len(outcome.returned),
        "shadow_scored": outcome.shadow.scored,
        "shadow_failed": outcome.shadow.failed,
        "chunk_ms": round(1000.0 * duration_s, 1),
        "tokens": sum(prediction.tokens for prediction in predictions),
    }
    if predictions:
        fields["score_ms"] = round(fmean(p.score_ms for p in predictions), 2)
        fields["queue_ms"] = round(fmean(p.queue_ms for p in predictions), 1)
    return fields
