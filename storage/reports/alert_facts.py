"""What alerts are judged on: how things stand now, as the tables tell it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from storage.reports import quality
from storage.reports.quality import QualityRow

# The newest report of each source, and of all together, of the versions that answer.
DRIFT = text("""
WITH serving AS (
    SELECT model, canary FROM plumbline.deployments ORDER BY id DESC LIMIT 1
)
SELECT DISTINCT ON (reports.model, reports.source)
       reports.model, reports.source, reports.verdict, reports.summary, reports.created_at
FROM plumbline.drift_reports AS reports, serving
WHERE reports.model IN (serving.model, serving.canary)
ORDER BY reports.model, reports.source, reports.id DESC
""")

# What ended in the time asked about, by whether it ended well; both along an index.
ERRORS = text("""
SELECT (SELECT count(*) FROM plumbline.jobs
         WHERE state IN ('quarantined', 'rejected')
           AND finished_at > now() - make_interval(secs => :window_s)) AS failed,
       (SELECT count(*) FROM plumbline.predictions
         WHERE role = 'live' AND scored_at > now() - make_interval(secs => :window_s)) AS scored
""")

STANDING = text("""
SELECT now() AS now, serving.model AS live_model, serving.since AS live_since,
       (SELECT extract(epoch FROM now() - min(created_at))
          FROM plumbline.jobs WHERE state = 'queued') AS oldest_waiting_s
FROM (SELECT 1) AS one
LEFT JOIN LATERAL (
    SELECT newest.model, (
        SELECT min(deployed_at) FROM plumbline.deployments AS same
        WHERE same.model = newest.model AND same.id > coalesce((
            SELECT max(id) FROM plumbline.deployments WHERE model <> newest.model), 0)
    ) AS since
    FROM plumbline.deployments AS newest ORDER BY id DESC LIMIT 1
) AS serving ON true
""")


@dataclass(frozen=True, slots=True)
class DriftFact:
    """The newest drift report of a version and source; `source` is None for all."""

    model: str
    source: str | None
    verdict: str
    summary: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """`failed` and `scored` texts ended in the error rate's window; `oldest_waiting_s` is None
    where none waits, `live_model` and `live_since` where nothing serves."""

    now: datetime
    drift: Sequence[DriftFact] = ()
    quality: Sequence[QualityRow] = ()
    failed: int = 0
    scored: int = 0
    oldest_waiting_s: float | None = None
    live_model: str | None = None
    live_since: datetime | None = None


def read(connection: Connection, *, error_window_s: float, min_labels: int) -> Facts:
    """Everything the rules look at; realized quality of windows with at least `min_labels`."""
    standing = connection.execute(STANDING).one()
    errors = connection.execute(ERRORS, {"window_s": error_window_s}).one()
    waiting = standing.oldest_waiting_s
    return Facts(
        now=standing.now,
        drift=[DriftFact(*row) for row in connection.execute(DRIFT)],
        quality=quality.latest(connection, min_labels),
        failed=errors.failed,
        scored=errors.scored,
        oldest_waiting_s=None if waiting is None else float(waiting),
        live_model=standing.live_model,
        live_since=standing.live_since,
    )
