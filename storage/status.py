"""How the whole stands, in one round trip."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

SNAPSHOT = text("""
SELECT
    (SELECT coalesce(jsonb_object_agg(state, n), '{}'::jsonb)
       FROM (SELECT state, count(*) AS n FROM plumbline.jobs GROUP BY state) AS by_state) AS counts,
    (SELECT extract(epoch FROM now() - min(created_at))
       FROM plumbline.jobs WHERE state = 'queued') AS oldest_queued_s,
    (SELECT count(*) FROM plumbline.predictions
      WHERE scored_at > now() - interval '1 minute') AS scored_last_minute,
    (SELECT model FROM plumbline.deployments ORDER BY id DESC LIMIT 1) AS live_model,
    drift.verdict AS drift_verdict, drift.created_at AS drift_at
FROM (SELECT 1) AS one
LEFT JOIN LATERAL (
    SELECT verdict, created_at FROM plumbline.drift_reports ORDER BY id DESC LIMIT 1
) AS drift ON true
""")


@dataclass(frozen=True, slots=True)
class Status:
    """`counts` by job state; the rest None where there is nothing to tell."""

    counts: dict[str, int]
    oldest_queued_s: float | None
    scored_last_minute: int
    live_model: str | None
    drift_verdict: str | None
    drift_at: datetime | None


def snapshot(connection: Connection) -> Status:
    row = connection.execute(SNAPSHOT).one()
    oldest = float(row.oldest_queued_s) if row.oldest_queued_s is not None else None
    return Status(
        counts=row.counts,
        oldest_queued_s=oldest,
        scored_last_minute=row.scored_last_minute,
        live_model=row.live_model,
        drift_verdict=row.drift_verdict,
        drift_at=row.drift_at,
    )
