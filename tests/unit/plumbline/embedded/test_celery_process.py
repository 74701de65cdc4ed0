from __future__ import annotations

from plumbline.embedded.celery_process import FORGET_S, RESTARTS, ending, restart_wait_s


def test_each_death_waits_twice_as_long_until_there_were_too_many() -> None:
    waits = [restart_wait_s([0.0] * deaths, now=1.0) for deaths in range(1, RESTARTS + 2)]
    assert waits == [1.0, 2.0, 4.0, 8.0, None]


def test_deaths_of_long_ago_are_forgotten() -> None:
    assert restart_wait_s([0.0] * 50 + [FORGET_S + 1.0], now=FORGET_S + 1.0) == 1.0


def test_an_end_is_told_in_words() -> None:
    assert ending(3) == "ended with status 3"
    assert ending(-9) == "was killed by SIGKILL"
