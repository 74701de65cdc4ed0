"""The times in Celery's headers: `expires` and `eta`, which is how a `countdown` arrives.

Celery drops an expired message by the clock of the worker, and holds one with an ETA in the memory
of the worker. Here both are facts about the texts, which the ledger keeps: PostgreSQL's clock
decides, a text that is too late ends in a row, and one that is too early waits in its row.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from celery.utils.time import maybe_iso8601

from plumbline.messages import MessageRejected

# Not Celery's own headers, which it would obey.
EXPIRES_HEADER = "plumbline_expires"
NOT_BEFORE_HEADER = "plumbline_not_before"


def header_time(name: str, value: Any) -> datetime:
    """Parse a header as Celery does; return the time in UTC. Raises MessageRejected."""
    try:
        parsed = maybe_iso8601(value)
        if not isinstance(parsed, datetime):
            raise TypeError
        aware = parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
        return aware.astimezone(UTC)
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise MessageRejected(f"{name}: it is not an ISO 8601 time") from error
