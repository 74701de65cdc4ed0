"""What was set aside: looked at, replayed, or discarded by a person."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

LISTING = text("""
SELECT id, source, key, text, attempts, error, created_at, finished_at
FROM plumbline.jobs
WHERE state = 'quarantined' AND (CAST(:source AS text) IS NULL OR source = :source)
ORDER BY finished_at DESC, id
LIMIT :most
""")

STANDING = text("""
SELECT id, state, text IS NOT NULL AS kept
FROM plumbline.jobs WHERE id = ANY (CAST(:ids AS uuid[])) FOR UPDATE
""")

# Published by the caller, who says otherwise where Redis is away. The fence goes on: a worker that
# was only slow must not finish what is tried anew.
REPLAY = text("""
UPDATE plumbline.jobs
SET state = 'queued', attempts = 0, error = NULL, finished_at = NULL, published_at = now()
WHERE state = 'quarantined' AND text IS NOT NULL
  AND (CAST(:ids AS uuid[]) IS NULL OR id = ANY (CAST(:ids AS uuid[])))
  AND (CAST(:source AS text) IS NULL OR source = :source)
RETURNING id
""")

DISCARD = text("""
UPDATE plumbline.jobs
SET text = NULL, error = format('discarded by %s; %s', CAST(:by AS text), error)
WHERE state = 'quarantined' AND text IS NOT NULL
  AND (CAST(:ids AS uuid[]) IS NULL OR id = ANY (CAST(:ids AS uuid[])))
  AND (CAST(:source AS text) IS NULL OR source = :source)
RETURNING id
""")


@dataclass(frozen=True, slots=True)
class QuarantinedJob:
    """A quarantined job; `text` is None where it was discarded or retention took it."""

    id: uuid.UUID
    source: str
    key: str | None
    text: str | None
    attempts: int
    error: str
    created_at: datetime
    finished_at: datetime


@dataclass(frozen=True, slots=True)
class Selection:
    """Which quarantined jobs are meant: these ids, or all; of one source, or of any."""

    ids: Sequence[uuid.UUID] | None
    source: str | None

    def parameters(self) -> dict[str, object]:
        return {"ids": None if self.ids is None else list(self.ids), "source": self.source}


def listing(
    connection: Connection, source: str | None = None, most: int = 100
) -> list[QuarantinedJob]:
    """The quarantined jobs, those set aside last first."""
    rows = connection.execute(LISTING, {"source": source, "most": most})
    return [QuarantinedJob(*row) for row in rows]


def standing(connection: Connection, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, tuple[str, bool]]:
    """State of each job there is, and whether its text is kept. Locks them until the commit."""
    rows = connection.execute(STANDING, {"ids": list(ids)})
    return {row.id: (row.state, row.kept) for row in rows}


def replay(connection: Connection, chosen: Selection) -> list[uuid.UUID]:
    """Queue them as if they had never been tried, and return them for the caller to publish.

    Those without a text stay, since there is nothing to score.
    """
    return [row.id for row in connection.execute(REPLAY, chosen.parameters())]


def discard(connection: Connection, chosen: Selection, by: str) -> list[uuid.UUID]:
    """Forget their texts for good, and say in their rows who did; return them.

    They stay quarantined, so that their keys go on meaning what they meant.
    """
    return [row.id for row in connection.execute(DISCARD, chosen.parameters() | {"by": by})]
