"""What of the ledger is watched all the time: counted along indexes, however long its history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

# OFFSET 0 keeps the planner from looking for the oldest among all that ever were, in the order of
# their creation, with a filter for the few that wait.
WAITING = text("""
SELECT (SELECT count(*) FROM plumbline.jobs WHERE state = 'leased') AS leased,
       count(*) AS queued, extract(epoch FROM now() - min(created_at)) AS oldest_s
FROM (SELECT created_at FROM plumbline.jobs WHERE state = 'queued' OFFSET 0) AS waiting
""")

QUARANTINED = text("""
SELECT count(*) FROM plumbline.jobs
WHERE state = 'quarantined' AND state IN ('quarantined', 'rejected', 'expired')
""")

VERDICTS = text("""
SELECT DISTINCT ON (source) source, verdict, created_at
FROM plumbline.drift_reports ORDER BY source, id DESC LIMIT :most
""")


@dataclass(frozen=True, slots=True)
class Waiting:
    """`oldest_s` is the age of the oldest queued text; None where none waits."""

    queued: int
    leased: int
    oldest_s: float | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the newest drift report of a source said; `source` is None for all together."""

    source: str | None
    verdict: str
    created_at: datetime


def limit_time(connection: Connection, limit_s: float) -> None:
    """Let each statement of this transaction take at most `limit_s`."""
    limit = text("SELECT set_config('statement_timeout', :limit, true)")
    connection.execute(limit, {"limit": f"{1000 * limit_s:.0f}ms"})


def waiting(connection: Connection) -> Waiting:
    row = connection.execute(WAITING).one()
    oldest = float(row.oldest_s) if row.oldest_s is not None else None
    return Waiting(row.queued, row.leased, oldest)


def quarantined(connection: Connection) -> int:
    """How many texts are set aside."""
    found: int = connection.execute(QUARANTINED).scalar_one()
    return found


def verdicts(connection: Connection, most: int = 100) -> list[Verdict]:
    """The newest of each source, of at most so many sources; all together first."""
    rows = connection.execute(VERDICTS, {"most": most})
    return sorted((Verdict(*row) for row in rows), key=lambda each: each.source or "")
