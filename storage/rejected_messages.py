"""Rejected messages: a row for each message, or text of one, that ended without a job."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from plumbline_client.text import storable_error
from storage.direct import Executor

# The newest rows that are kept, so that a flood of bad messages does not fill the disk.
KEPT_ROWS = 100_000
COLUMNS = "message_id, queue, task, source, job_id, key, position, reason, bytes"

ADD = text(f"""
INSERT INTO plumbline.rejected_messages ({COLUMNS})
VALUES (:message_id, :queue, :task, :source, :job_id, :key, :position, :reason, :bytes)
""")

# The row of a text in a message that was delivered before stays as it is.
ADD_ONCE = text(f"""
INSERT INTO plumbline.rejected_messages ({COLUMNS})
SELECT * FROM (VALUES (
    CAST(:message_id AS text), CAST(:queue AS text), CAST(:task AS text), CAST(:source AS text),
    CAST(:job_id AS uuid), CAST(:key AS text), CAST(:position AS int), CAST(:reason AS text),
    CAST(:bytes AS bigint)
)) AS new ({COLUMNS})
WHERE NOT EXISTS (
    SELECT FROM plumbline.rejected_messages AS known
    WHERE known.message_id = new.message_id AND known.position = new.position
      AND known.job_id = new.job_id
)
""")

DROP_OLDEST = text("""
DELETE FROM plumbline.rejected_messages
WHERE id <= (SELECT max(id) FROM plumbline.rejected_messages) - :kept
""")

LIST = text(f"""
SELECT id, {COLUMNS}, rejected_at FROM plumbline.rejected_messages
WHERE (CAST(:source AS text) IS NULL OR source = :source)
ORDER BY id DESC LIMIT :limit
""")

PURGE = text("DELETE FROM plumbline.rejected_messages WHERE rejected_at < :before")

# For `storage.reports.status`.
COUNT_REJECTED = "SELECT count(*) FROM plumbline.rejected_messages"


@dataclass(frozen=True, slots=True)
class RejectedMessage:
    """What is known about a rejected message; never its text.

    `position` is that of the rejected text in the message; None is the whole message. `bytes` is
    the size of the whole message in Redis.
    """

    queue: str
    reason: str
    message_id: str | None = None
    task: str | None = None
    source: str | None = None
    job_id: uuid.UUID | None = None
    key: str | None = None
    position: int | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ListedRejection(RejectedMessage):
    """A row of the table. `id` and `rejected_at` always have a value."""

    id: int = 0
    rejected_at: datetime | None = None


def add(connection: Executor, rows: Sequence[RejectedMessage]) -> None:
    """Insert the rows, and drop the oldest ones beyond `KEPT_ROWS`."""
    for row in rows:
        connection.execute(ADD, _storable(row))
    if rows:
        connection.execute(DROP_OLDEST, {"kept": KEPT_ROWS})


def add_once(connection: Executor, rows: Sequence[RejectedMessage]) -> None:
    """Insert the rows of those texts that have none from an earlier delivery of their message."""
    for row in rows:
        connection.execute(ADD_ONCE, _storable(row))
    if rows:
        connection.execute(DROP_OLDEST, {"kept": KEPT_ROWS})


def list_rejected(
    connection: Connection, source: str | None = None, limit: int = 100
) -> list[ListedRejection]:
    """Return at most `limit` rejections, newest first."""
    rows = connection.execute(LIST, {"source": source, "limit": limit})
    return [ListedRejection(**row._mapping) for row in rows]


def purge(connection: Connection, before: datetime) -> int:
    """Delete the rows of messages that were rejected before `before`; return their number."""
    return connection.execute(PURGE, {"before": before}).rowcount


def _storable(row: RejectedMessage) -> dict[str, Any]:
    """Return the row's columns; a name that PostgreSQL cannot hold is made storable."""
    return {
        name: storable_error(value) if isinstance(value, str) else value
        for name, value in asdict(row).items()
    }
