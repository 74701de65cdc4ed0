"""Whether the system makes progress: what a probe asks PostgreSQL.

A probe starts every few seconds, and importing SQLAlchemy takes longer than its questions.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from plumbline_client.limits import Limits
from storage.jobs.overdue_leases import NONE_OVERDUE, OVERDUE, OverdueLeases
from storage.jobs.queue import WAITS_SINCE
from storage.task_ages import AGES, PeriodicTaskAge

# The server's limits of one statement of a probe, or of a scrape of metrics.
PROBING = Limits(statement_s=4.0, lock_s=2.0)

# Both conditions use an index and stop at the first row: the oldest job, the newest prediction.
PROGRESS = f"""
SELECT
    EXISTS (SELECT FROM plumbline.jobs
             WHERE state = 'queued' AND created_at <= now() - make_interval(secs => %(within_s)s)
               AND {WAITS_SINCE} <= now() - make_interval(secs => %(within_s)s))
        AS queued_throughout,
    EXISTS (SELECT FROM plumbline.predictions
             WHERE scored_at > now() - make_interval(secs => %(within_s)s)) AS scored,
    clock_timestamp() AS time,
    (SELECT coalesce(json_agg(ages ORDER BY task), '[]') FROM ({AGES}) AS ages) AS periodic_tasks
"""


@dataclass(frozen=True, slots=True)
class Progress:
    """Whether a job was queued throughout a period, and whether any job was scored in it.

    `clock_ahead_s` is how far this machine's clock is ahead of PostgreSQL's.
    """

    queued_throughout: bool
    scored: bool
    clock_ahead_s: float = field(default=0.0, compare=False)
    periodic_tasks: Sequence[PeriodicTaskAge] = field(default=(), compare=False)
    overdue_leases: OverdueLeases = NONE_OVERDUE


def progress(connection: psycopg.Connection[Any], within_s: float) -> Progress:
    """Return the progress of the last `within_s`."""
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        before = time.time()
        row: Any = cursor.execute(PROGRESS.encode(), {"within_s": within_s}).fetchone()
        here = (before + time.time()) / 2
        leases: Any = cursor.execute(OVERDUE.encode()).fetchone()
    return Progress(
        queued_throughout=row.queued_throughout,
        scored=row.scored,
        clock_ahead_s=here - row.time.timestamp(),
        periodic_tasks=[PeriodicTaskAge(**age) for age in row.periodic_tasks],
        overdue_leases=OverdueLeases(*leases),
    )
