from datetime import UTC, datetime, timedelta

import pytest

from plumbline.cli.times import parse_duration, parse_time
from plumbline.errors import OptionInvalid

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("30s", 30), ("10m", 600), ("1.5h", 5_400), ("2d", 172_800), ("1W", 604_800), (" 0s ", 0)],
)
def test_duration_is_in_seconds(value: str, expected: float) -> None:
    assert parse_duration(value, "--x") == expected


@pytest.mark.parametrize("value", ["", "10", "m", "-1m", "1 h", "10 minutes", "1e9d", "999999999d"])
def test_invalid_duration_names_the_option(value: str) -> None:
    with pytest.raises(OptionInvalid, match=r"^--x .*\.$"):
        parse_duration(value, "--x")


def test_duration_is_left_to_the_clock_of_postgresql() -> None:
    assert parse_time("2h", "--since") == timedelta(hours=2)


def test_date_with_a_zone_is_that_time() -> None:
    assert parse_time("2026-03-01T13:00+01:00", "--since") == NOW
    assert parse_time("2026-03-01T12:00Z", "--since") == NOW


def test_date_without_a_zone_is_local() -> None:
    local = datetime(2026, 3, 1, 12).astimezone()
    assert parse_time("2026-03-01 12:00", "--since") == local


@pytest.mark.parametrize("value", ["yesterday", "2026-13-01", "0001-01-01T00:00+14:00"])
def test_invalid_time_names_the_option(value: str) -> None:
    with pytest.raises(OptionInvalid, match=r"^--since .*\.$"):
        parse_time(value, "--since")
