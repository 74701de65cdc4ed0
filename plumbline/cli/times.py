"""Durations and times on the command line: 30s, 10m, 2h, 1d, or a date."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from plumbline.errors import OptionInvalid

UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
LONGEST_S = 100 * 366 * 86_400


def parse_duration(value: str, option: str) -> float:
    """Return the seconds of a duration; raise OptionInvalid, which names the option."""
    match = DURATION.fullmatch(value.strip().lower())
    if match is None:
        raise OptionInvalid(
            f"{option} must be a duration such as 30s, 10m, 2h or 1d, not {value!r}."
        )
    duration_s = float(match[1]) * UNITS_S[match[2]]
    if duration_s > LONGEST_S:
        raise OptionInvalid(f"{option} {value} is longer than a hundred years.")
    return duration_s


def parse_time(value: str, option: str) -> datetime | timedelta:
    """Return a duration, which means that long ago, or a date and time.

    Only PostgreSQL can tell how long ago something was: this machine's clock may be wrong. A date
    without a time zone is local. Raises OptionInvalid.
    """
    if DURATION.fullmatch(value.strip().lower()):
        return timedelta(seconds=parse_duration(value, option))
    try:
        # `astimezone` takes a time without a zone as local time.
        return datetime.fromisoformat(value.strip()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise OptionInvalid(
            f"{option} must be a duration such as 10m, 2h or 1d, for that long ago, or a date such "
            f"as 2026-01-31T12:00, not {value!r}."
        ) from error
