"""The status of the whole system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from plumbline_client.states import JobState
from storage.jobs.queue import QUEUE_LENGTH
from storage.rejected_messages import COUNT_REJECTED
from storage.reports.alerts import open_alerts
from storage.reports.current_verdicts import CurrentVerdict, current_verdicts, last_reported
from storage.reports.job_counts import count_jobs
from storage.serving.newest import NEWEST_DEPLOYMENT

SNAPSHOT = text(f"""
SELECT
    queue.oldest_queued_s,
    (SELECT count(*) FROM plumbline.predictions
      WHERE scored_at > now() - interval '1 minute' AND role = 'live') AS scored_last_minute,
    ({COUNT_REJECTED} WHERE rejected_at > now() - interval '1 day') AS rejected_messages_last_day,
    serving.model AS live_model, serving.shadow AS shadow_model, serving.canary AS canary_model,
    serving.canary_share
FROM ({QUEUE_LENGTH}) AS queue
LEFT JOIN ({NEWEST_DEPLOYMENT}) AS serving ON true
""")


@dataclass(frozen=True, slots=True)
class Status:
    """`counts` are by job state; a field is None if there is no such job or version.

    In a large table some of them are estimates: those of the states in `estimated`.

    `drift` are the current verdicts, the worst first; `drift_reported_at` is the time of the live
    version's last report, whether or not its verdict is current.
    """

    counts: dict[JobState, int]
    oldest_queued_s: float | None
    scored_last_minute: int
    live_model: str | None
    shadow_model: str | None = None
    canary_model: str | None = None
    canary_share: float | None = None
    rejected_messages_last_day: int = 0
    drift: Sequence[CurrentVerdict] = ()
    drift_reported_at: datetime | None = None
    open_alerts: Sequence[Row[Any]] = ()
    estimated: frozenset[JobState] = frozenset()


def snapshot(connection: Connection, drift_valid_s: float) -> Status:
    """Read the status; see `Settings.drift_valid_s`."""
    row = connection.execute(SNAPSHOT).one()
    jobs = count_jobs(connection)
    return Status(
        counts=dict(jobs.by_state),
        estimated=jobs.estimated,
        oldest_queued_s=row.oldest_queued_s,
        scored_last_minute=row.scored_last_minute,
        live_model=row.live_model,
        shadow_model=row.shadow_model,
        canary_model=row.canary_model,
        canary_share=row.canary_share,
        rejected_messages_last_day=row.rejected_messages_last_day,
        drift=current_verdicts(connection, drift_valid_s),
        drift_reported_at=last_reported(connection),
        open_alerts=open_alerts(connection),
    )
