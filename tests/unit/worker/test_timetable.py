from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from worker.timetable import Timetable


def due_times(timetable: Timetable, task: str, steps: list[float]) -> list[float]:
    """Let the clock proceed by these steps; return the times at which the task was sent."""
    now, sent = 0.0, []
    for step in [0.0, *steps]:
        now += step
        for due in timetable.due(now):
            timetable.advance(due, now)
            if due == task:
                sent.append(now)
    return sent


def test_a_task_is_due_once_per_interval_from_when_it_last_ran() -> None:
    timetable = Timetable({"drift": 60.0}, {"drift": 45.0}, now=0.0)
    assert timetable.wait_s(0.0) == 15.0
    assert due_times(timetable, "drift", [1.0] * 200) == [15.0, 75.0, 135.0, 195.0]


def test_an_overdue_task_and_one_whose_age_makes_no_sense_are_due_at_once() -> None:
    for age_s in (60.0, 61.0, 1e9, -1.0, -3_600.0):
        assert Timetable({"drift": 60.0}, {"drift": age_s}, now=0.0).due(0.0) == ["drift"]


def test_a_task_of_unknown_age_is_due_after_an_interval() -> None:
    timetable = Timetable({"drift": 60.0}, {}, now=5.0)
    assert (timetable.due(64.9), timetable.due(65.0)) == ([], ["drift"])


def test_what_was_missed_is_not_caught_up() -> None:
    timetable = Timetable({"sweep": 5.0}, {"sweep": 5.0}, now=0.0)
    assert due_times(timetable, "sweep", [1_000.0, 4.0, 1.0]) == [0.0, 1_000.0, 1_005.0]


def test_a_task_that_could_not_be_sent_is_tried_again_soon() -> None:
    timetable = Timetable({"drift": 3_600.0, "sweep": 1.0}, {}, now=0.0)
    for task in ("drift", "sweep"):
        timetable.postpone(task, 10.0, by_s=5.0)
    assert timetable.due(11.0) == ["sweep"] and timetable.due(15.0) == ["sweep", "drift"]


@given(
    every_s=st.floats(0.5, 5_000.0),
    age_s=st.floats(-1e5, 1e5),
    steps=st.lists(st.floats(0.01, 2_000.0), max_size=40),
)
def test_runs_are_neither_skipped_nor_doubled(
    every_s: float, age_s: float, steps: list[float]
) -> None:
    timetable = Timetable({"task": every_s}, {"task": age_s}, now=0.0)
    sent = due_times(timetable, "task", steps)
    end, longest_step = sum(steps), max(steps, default=0.0)
    assert timetable.wait_s(end) <= every_s + 1e-6
    pauses = [later - earlier for earlier, later in pairwise([0.0, *sent, end])]
    # A look at the clock may come up to one step after the due time.
    assert max(pauses) <= every_s + longest_step + 1e-6
    assert len(sent) <= end / every_s + 2
