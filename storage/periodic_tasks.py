"""Records when each periodic task begins and ends, by PostgreSQL's clock alone."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, text

# A message can wait before it is read, so two runs are rarely a whole interval apart. Less than
# this share of the interval means that the message is one too many: of a second beat, or of a beat
# that restarted.
SHORTEST_GAP = 0.75

# The age is negative after PostgreSQL's clock was set back. A beat that restarts again and again
# does not hide that no run ends: only the first start after an end is recorded.
SCHEDULE = text("""
INSERT INTO plumbline.periodic_tasks AS tasks (task, every_s, scheduled_at)
SELECT *, clock_timestamp() FROM unnest(CAST(:tasks AS text[]), CAST(:intervals AS float8[]))
ON CONFLICT (task) DO UPDATE
SET every_s = excluded.every_s,
    scheduled_at = CASE WHEN tasks.scheduled_at > tasks.ended_at
                        THEN tasks.scheduled_at ELSE excluded.scheduled_at END
RETURNING task, CAST(extract(epoch FROM clock_timestamp()
                             - coalesce(began_at, first_scheduled_at)) AS float8) AS age_s
""")

# clock_timestamp() instead of now(), because the row may have been locked by another worker. A time
# in the future was written before PostgreSQL's clock was set back, and must not block the task.
BEGIN = text("""
INSERT INTO plumbline.periodic_tasks AS tasks (task, every_s, began_at)
VALUES (:task, :every_s, clock_timestamp())
ON CONFLICT (task) DO UPDATE SET every_s = excluded.every_s, began_at = clock_timestamp()
WHERE tasks.began_at IS NULL
   OR tasks.began_at NOT BETWEEN clock_timestamp() - make_interval(secs => :gap_s)
                             AND clock_timestamp()
RETURNING task
""")

END = text("UPDATE plumbline.periodic_tasks SET ended_at = clock_timestamp() WHERE task = :task")


def schedule(connection: Connection, intervals: Mapping[str, float]) -> dict[str, float]:
    """Record the interval of each task; return for how many seconds it has been waiting to run.

    That is the time since it last began, or, for a task that never began, since it was first
    scheduled. It is negative if PostgreSQL's clock was set back in between.
    """
    rows = connection.execute(
        SCHEDULE, {"tasks": list(intervals), "intervals": list(intervals.values())}
    )
    return {row.task: row.age_s for row in rows}


def begin(connection: Connection, task: str, every_s: float) -> bool:
    """Record that a periodic task begins; return False, and record nothing, if it just began."""
    parameters = {"task": task, "every_s": every_s, "gap_s": SHORTEST_GAP * every_s}
    return connection.execute(BEGIN, parameters).one_or_none() is not None


def end(connection: Connection, task: str) -> None:
    """Record that a run of a periodic task did all of its work."""
    connection.execute(END, {"task": task})
