"""How long ago each periodic task began, and since when no run has ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

# A probe reads `AGES`, and does without SQLAlchemy.
if TYPE_CHECKING:
    from sqlalchemy import Connection

# So many runs in a row may be missed or skipped, for example behind a long one.
MISSED_RUNS = 3

# How long ago each task began, and for how long no run has ended, although beat was running. After
# PostgreSQL's clock was set back, an end lies in the future until the next one: the difference
# counts, so that an end that does not follow is noticed.
AGES = """
SELECT task, every_s,
       CAST(extract(epoch FROM clock_timestamp() - coalesce(began_at, first_scheduled_at))
            AS float8) AS age_s,
       CAST(abs(extract(epoch FROM clock_timestamp() - coalesce(
           greatest(ended_at, CASE WHEN scheduled_at <= clock_timestamp() THEN scheduled_at END),
           first_scheduled_at))) AS float8) AS since_completed_s
FROM plumbline.periodic_tasks
"""


@dataclass(frozen=True, slots=True)
class PeriodicTaskAge:
    """A task that is due every `every_s` began `age_s` ago, or was first scheduled then.

    `since_completed_s` is the time since a run did all of its work, or since the start of beat that
    followed.
    """

    task: str
    every_s: float
    age_s: float
    since_completed_s: float = 0.0

    def is_stalled(self, grace_s: float) -> bool:
        """Return whether runs have failed to end for longer than a few intervals explain."""
        return self.since_completed_s > self.limit_s(grace_s)

    def limit_s(self, grace_s: float) -> float:
        return MISSED_RUNS * self.every_s + grace_s


def task_ages(connection: Connection) -> Sequence[PeriodicTaskAge]:
    """Return the ages of all tasks, sorted by name."""
    rows = connection.exec_driver_sql(f"{AGES} ORDER BY task")
    return [PeriodicTaskAge(*row) for row in rows]
