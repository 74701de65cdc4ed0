"""The facts that alert rules are evaluated on, read from the tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from storage.database import now
from storage.jobs.overdue_leases import NONE_OVERDUE, OverdueLeases, overdue_leases
from storage.jobs.queue import queue_length
from storage.reports import quality
from storage.reports.current_verdicts import CurrentVerdict, current_verdicts, last_reported
from storage.reports.quality import LatestQuality
from storage.serving import deployments, model_faults
from storage.serving.model_faults import Fault
from storage.task_ages import PeriodicTaskAge, task_ages

# Jobs that ended in the window, by whether they were scored; both counts use an index.
ERRORS = text("""
SELECT (SELECT count(*) FROM plumbline.jobs
         WHERE state IN ('quarantined', 'rejected')
           AND finished_at > now() - make_interval(secs => :window_s)) AS failed,
       (SELECT count(*) FROM plumbline.predictions
         WHERE role = 'live' AND scored_at > now() - make_interval(secs => :window_s)) AS scored
""")


@dataclass(frozen=True, slots=True)
class AlertFacts:
    """The state of the system at `now`.

    `failed` and `scored` count jobs that ended in the error rate's window. `oldest_queued_s` is
    None if no job is queued; `live_model` and `live_since` are None if no version is live.
    `drift_reported_at` is when the live version and all sources were last reported on.
    """

    now: datetime
    drift: Sequence[CurrentVerdict] = ()
    drift_reported_at: datetime | None = None
    quality: Sequence[LatestQuality] = ()
    failed: int = 0
    scored: int = 0
    oldest_queued_s: float | None = None
    live_model: str | None = None
    live_since: datetime | None = None
    model_faults: Sequence[Fault] = ()
    periodic_tasks: Sequence[PeriodicTaskAge] = ()
    overdue_leases: OverdueLeases = NONE_OVERDUE


def read_alert_facts(
    connection: Connection,
    *,
    error_window_s: float,
    min_labels: int,
    max_sources: int,
    drift_valid_s: float,
) -> AlertFacts:
    """Read all facts. Realized quality is that of windows with at least `min_labels` labels."""
    errors = connection.execute(ERRORS, {"window_s": error_window_s}).one()
    return AlertFacts(
        now=now(connection),
        drift=current_verdicts(connection, drift_valid_s),
        drift_reported_at=last_reported(connection),
        quality=quality.latest(connection, min_labels, max_sources=max_sources),
        failed=errors.failed,
        scored=errors.scored,
        oldest_queued_s=queue_length(connection).oldest_queued_s,
        live_model=deployments.live_model(connection),
        live_since=deployments.live_since(connection),
        model_faults=model_faults.current(connection),
        periodic_tasks=task_ages(connection),
        overdue_leases=overdue_leases(connection),
    )
