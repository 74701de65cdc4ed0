"""The status of the whole system, read in one round trip."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from plumbline_client.states import JobState
from storage.jobs.queue import QUEUE_LENGTH
from storage.reports.drift import NEWEST_REPORT
from storage.serving.deployments import NEWEST_DEPLOYMENT

SNAPSHOT = text(f"""
SELECT
    (SELECT coalesce(jsonb_object_agg(state, n), '{{}}'::jsonb)
       FROM (SELECT state, count(*) AS n FROM plumbline.jobs GROUP BY state) AS by_state) AS counts,
    queue.oldest_queued_s,
    (SELECT count(*) FROM plumbline.predictions
      WHERE scored_at > now() - interval '1 minute' AND role = 'live') AS scored_last_minute,
    serving.model AS live_model, serving.shadow AS shadow_model, serving.canary AS canary_model,
    serving.canary_share,
    drift.verdict AS drift_verdict, drift.created_at AS drift_at
FROM ({QUEUE_LENGTH}) AS queue
LEFT JOIN ({NEWEST_DEPLOYMENT}) AS serving ON true
LEFT JOIN ({NEWEST_REPORT}) AS drift ON true
""")

# Both conditions use an index and stop at the first row: the oldest job, the newest prediction.
PROGRESS = text("""
SELECT
    EXISTS (SELECT FROM plumbline.jobs
             WHERE state = 'queued' AND created_at <= now() - make_interval(secs => :within_s))
        AS queued_throughout,
    EXISTS (SELECT FROM plumbline.predictions
             WHERE scored_at > now() - make_interval(secs => :within_s)) AS scored
""")


@dataclass(frozen=True, slots=True)
class Status:
    """`counts` are by job state; a field is None if there is no such job, version or report."""

    counts: dict[JobState, int]
    oldest_queued_s: float | None
    scored_last_minute: int
    live_model: str | None
    drift_verdict: str | None
    drift_at: datetime | None
    shadow_model: str | None = None
    canary_model: str | None = None
    canary_share: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Whether a job was queued throughout a period, and whether any job was scored in it."""

    queued_throughout: bool
    scored: bool


def snapshot(connection: Connection) -> Status:
    row = connection.execute(SNAPSHOT).one()
    return Status(
        counts={JobState(state): count for state, count in row.counts.items()},
        oldest_queued_s=row.oldest_queued_s,
        scored_last_minute=row.scored_last_minute,
        live_model=row.live_model,
        drift_verdict=row.drift_verdict,
        drift_at=row.drift_at,
        shadow_model=row.shadow_model,
        canary_model=row.canary_model,
        canary_share=row.canary_share,
    )


def progress(connection: Connection, within_s: float) -> Progress:
    """Return the progress of the last `within_s`."""
    row = connection.execute(PROGRESS, {"within_s": within_s}).one()
    return Progress(row.queued_throughout, row.scored)
