"""When periodic tasks are due, in seconds of a clock that nobody can set: `time.monotonic`."""

from __future__ import annotations

from collections.abc import Mapping


class Timetable:
    """The next due time of each task.

    `intervals` are in seconds. `ages` are the seconds since each task last ran, measured elsewhere;
    a task without one is due after a whole interval, one whose age makes no sense at once.
    """

    def __init__(
        self, intervals: Mapping[str, float], ages: Mapping[str, float], now: float
    ) -> None:
        self._intervals = dict(intervals)
        self._due_at = {
            task: now + _wait_s(every_s, ages.get(task, 0.0)) for task, every_s in intervals.items()
        }

    def due(self, now: float) -> list[str]:
        """Return the tasks that are due, the longest overdue first."""
        return sorted(
            (task for task, at in self._due_at.items() if at <= now), key=self._due_at.__getitem__
        )

    def advance(self, task: str, now: float) -> None:
        """Plan the next run of a task that was sent: at a fixed rate, without catching up."""
        next_at = self._due_at[task] + self._intervals[task]
        self._due_at[task] = next_at if next_at > now else now + self._intervals[task]

    def postpone(self, task: str, now: float, by_s: float) -> None:
        """Plan another attempt for a task that could not be sent, after `by_s` at most."""
        self._due_at[task] = now + min(by_s, self._intervals[task])

    def wait_s(self, now: float) -> float:
        """Return the seconds until the next task is due."""
        return max(0.0, min(self._due_at.values()) - now)


def _wait_s(every_s: float, age_s: float) -> float:
    return every_s - age_s if 0.0 <= age_s <= every_s else 0.0
