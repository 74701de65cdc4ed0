"""Celery's header `expires`: the time after which a producer no longer needs the result.

Celery drops an expired message by the clock of the worker. Here the header is a deadline like any
other: PostgreSQL's clock decides, and a text that is too late ends in a row.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from celery.utils.time import maybe_iso8601

from plumbline.messages import MessageRejected


def latest_deadline(expires: Any) -> datetime | None:
    """Parse the header as Celery does. Raises MessageRejected."""
    try:
        parsed: datetime | None = maybe_iso8601(expires)
    except (TypeError, ValueError, AttributeError) as error:
        raise MessageRejected("expires: it is not an ISO 8601 time") from error
    if parsed is None or parsed.tzinfo is not None:
        return parsed
    return parsed.replace(tzinfo=UTC)
