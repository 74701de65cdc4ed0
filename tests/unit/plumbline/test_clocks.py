from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plumbline.clocks import Clocks, clock_warnings
from plumbline.heartbeat import CLOCK_TOLERANCE_S, Heartbeat, Survey, WorkerStatus

OFFSETS = st.floats(-1e8, 1e8)


def beat(clock_ahead_s: float | None) -> Heartbeat:
    return Heartbeat(WorkerStatus.BEAT, "m", "beat", clock_ahead_s)


def warnings(survey: Survey, this_machine_s: float) -> list[str]:
    return list(clock_warnings(survey, Clocks.of(survey, this_machine_s)))


def test_clocks_that_agree_are_not_mentioned() -> None:
    assert warnings(Survey([beat(-1.0), beat(None)], 0.5), 0.2) == []


def test_each_wrong_clock_is_one_sentence() -> None:
    assert warnings(Survey([beat(3_600.0)], 8.0), 8.0) == [
        "The clock of this machine is 8 s ahead of PostgreSQL's, which decides all times; "
        "synchronize the clocks with NTP.",
        "The clock of beat on m is 3,600 s ahead of PostgreSQL's, which decides all times; "
        "synchronize the clocks with NTP.",
    ]
    (sentence,) = warnings(Survey([beat(20.0)], 20.0), 0.0)
    assert sentence.startswith("The clock of Redis is 20 s behind PostgreSQL's")


@given(machine=OFFSETS, redis=OFFSETS, sender=OFFSETS, database=OFFSETS)
def test_only_differences_from_postgresql_matter(
    machine: float, redis: float, sender: float, database: float
) -> None:
    """Each clock is ahead of the true time by so much."""
    survey = Survey([beat(sender - redis)], machine - redis)
    sentences = warnings(survey, machine - database)
    for owner, offset in (("this machine", machine), ("Redis", redis), ("beat on m", sender)):
        ahead = offset - database
        if abs(abs(ahead) - CLOCK_TOLERANCE_S) > 1e-3:
            mentioned = [one for one in sentences if f"clock of {owner} is" in one]
            assert len(mentioned) == (abs(ahead) > CLOCK_TOLERANCE_S)
