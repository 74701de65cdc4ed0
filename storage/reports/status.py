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
      WHERE scored_at > now() - interval '1 minute' AND role = 'live') AS scored_last_minute,
    serving.model AS live_model, serving.shadow AS shadow_model, serving.canary AS canary_model,
    serving.canary_share,
    drift.verdict AS drift_verdict, drift.created_at AS drift_at
FROM (SELECT 1) AS one
LEFT JOIN LATERAL (
    SELECT model, shadow, canary, canary_share FROM plumbline.deployments ORDER BY id DESC LIMIT 1
) AS serving ON true
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
    shadow_model: str | None = None
    canary_model: str | None = None
    canary_share: float | None = None


# Both are found along an index, at once where all is well: the oldest first, the newest first.
PROGRESS = text("""
SELECT
    EXISTS (SELECT FROM plumbline.jobs
             WHERE state = 'queued' AND created_at <= now() - make_interval(secs => :within_s))
        AS waits,
    EXISTS (SELECT FROM plumbline.predictions
             WHERE scored_at > now() - make_interval(secs => :within_s)) AS scores
""")


@dataclass(frozen=True, slots=True)
class Progress:
    """Whether texts have waited all the time that was asked about, and whether any was scored."""

    waits: bool
    scores: bool


def progress(connection: Connection, within_s: float) -> Progress:
    row = connection.execute(PROGRESS, {"within_s": within_s}).one()
    return Progress(row.waits, row.scores)


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
        shadow_model=row.shadow_model,
        canary_model=row.canary_model,
        canary_share=row.canary_share,
    )
