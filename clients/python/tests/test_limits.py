from __future__ import annotations

import pytest

from plumbline_client.limits import Limits, duration_of, seconds_of


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.25, "250ms"), (1.0, "1s"), (90.0, "90s"), (300.0, "5min"), (3600.0, "1h"), (0.0, "0ms")],
)
def test_durations_are_those_that_postgresql_shows(seconds: float, shown: str) -> None:
    assert duration_of(seconds) == shown
    assert seconds_of(shown) == (seconds or None)


@pytest.mark.parametrize("shown", ["0", "0ms", "soon"])
def test_no_limit_is_none(shown: str) -> None:
    assert seconds_of(shown) is None


def test_limits_are_settings_of_a_session() -> None:
    settings = Limits(statement_s=15.0, lock_s=2.5).settings()
    assert settings == {"statement_timeout": "15s", "lock_timeout": "2500ms"}
