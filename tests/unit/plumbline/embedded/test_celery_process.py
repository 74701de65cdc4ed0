from __future__ import annotations

from plumbline.embedded.celery_process import DEATH_WINDOW_S, MAX_RESTARTS, restart_delay_s


def test_the_delay_doubles_with_each_death_until_there_are_too_many() -> None:
    delays = [restart_delay_s([0.0] * deaths, now=1.0) for deaths in range(1, MAX_RESTARTS + 2)]
    assert delays == [1.0, 2.0, 4.0, 8.0, None]


def test_old_deaths_do_not_count() -> None:
    now = DEATH_WINDOW_S + 1.0
    assert restart_delay_s([0.0] * 50 + [now], now) == 1.0
