"""The texts and the sources of a drift report's window, read again while they are stored."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from storage.unfamiliarity import UNFAMILIARITY

# Texts are read from the view, because a reader may not read the table of jobs.
LIVE_IN_PERIOD = """
FROM plumbline.predictions AS predictions
JOIN plumbline.results AS results USING (job_id)
WHERE predictions.role = 'live' AND predictions.model = :model
  AND predictions.scored_at BETWEEN :since AND :until
"""

# Of the copies of a text, one is shown.
LEAST_FAMILIAR = text(f"""
SELECT job_id, source, key, decision, unfamiliarity, text FROM (
    SELECT results.job_id, results.source, results.key, results.decision, results.text,
           {UNFAMILIARITY} AS unfamiliarity,
           row_number() OVER (PARTITION BY md5(results.text)
                              ORDER BY predictions.scored_at DESC, job_id) AS copy
    {LIVE_IN_PERIOD}
      AND (CAST(:source AS text) IS NULL OR results.source = :source)
      AND results.text IS NOT NULL
) AS stored
WHERE copy = 1 AND unfamiliarity IS NOT NULL
ORDER BY unfamiliarity DESC, job_id LIMIT :limit
""")

SOURCE_ROWS = text(f"""
SELECT results.source, count(*) AS rows {LIVE_IN_PERIOD}
GROUP BY results.source ORDER BY count(*) DESC, results.source
""")

MAY_READ = text("""
SELECT has_table_privilege('plumbline.results', 'SELECT')
   AND has_table_privilege('plumbline.predictions', 'SELECT')
""")


@dataclass(frozen=True, slots=True)
class Period:
    """Live predictions of `model` from `since` to `until`, both included."""

    model: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class UnfamiliarText:
    """A text of the window; see `storage.unfamiliarity` for the number."""

    job_id: uuid.UUID
    source: str
    key: str | None
    decision: str
    unfamiliarity: float
    text: str


def may_read_texts(connection: Connection) -> bool:
    """Return whether this login may read the texts of jobs."""
    return bool(connection.execute(MAY_READ).scalar_one())


def least_familiar(
    connection: Connection, period: Period, source: str | None, limit: int
) -> list[UnfamiliarText]:
    """Return the texts that are least like those of training, the least familiar first."""
    parameters = asdict(period) | {"source": source, "limit": limit}
    return [UnfamiliarText(*row) for row in connection.execute(LEAST_FAMILIAR, parameters)]


def source_rows(connection: Connection, period: Period) -> Sequence[tuple[str, int]]:
    """Return how many predictions each source has in the period, the largest first."""
    return [(row.source, row.rows) for row in connection.execute(SOURCE_ROWS, asdict(period))]
