from datetime import UTC, datetime, timedelta

import pytest

from plumbline.cli.times import moment, seconds
from plumbline.errors import OptionInvalid

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "expected"),
    [("30s", 30), ("10m", 600), ("1.5h", 5_400), ("2d", 172_800), ("1W", 604_800), (" 0s ", 0)],
)
def test_durations(given: str, expected: float) -> None:
    assert seconds(given, "--x") == expected


@pytest.mark.parametrize("given", ["", "10", "m", "-1m", "1 h", "10 minutes", "1e9d", "999999999d"])
def test_what_is_no_duration_names_the_option(given: str) -> None:
    with pytest.raises(OptionInvalid, match=r"^--x .*\.$"):
        seconds(given, "--x")


def test_a_duration_means_so_long_ago() -> None:
    assert moment("2h", "--since", NOW) == NOW - timedelta(hours=2)


def test_a_date_with_a_zone_is_that_moment() -> None:
    assert moment("2026-03-01T13:00+01:00", "--since") == NOW
    assert moment("2026-03-01T12:00Z", "--since") == NOW


def test_a_date_without_a_zone_is_local() -> None:
    local = datetime(2026, 3, 1, 12).astimezone()
    assert moment("2026-03-01 12:00", "--since") == local


@pytest.mark.parametrize("given", ["yesterday", "2026-13-01", "0001-01-01T00:00+14:00"])
def test_what_is_no_moment_names_the_option(given: str) -> None:
    with pytest.raises(OptionInvalid, match=r"^--since .*\.$"):
        moment(given, "--since")
