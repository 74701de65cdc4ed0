"""Times as people type them: 30s, 10m, 2h, 1d, or a date."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from plumbline.errors import OptionInvalid

UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
LONGEST_S = 100 * 366 * 86_400


def seconds(given: str, option: str) -> float:
    """Read a duration; raise OptionInvalid naming the option."""
    found = DURATION.fullmatch(given.strip().lower())
    if found is None:
        raise OptionInvalid(f"{option} wants a duration such as 30s, 10m, 2h or 1d, not {given!r}.")
    value = float(found[1]) * UNITS_S[found[2]]
    if value > LONGEST_S:
        raise OptionInvalid(f"{option} {given} is longer than a hundred years.")
    return value


def moment(given: str, option: str, now: datetime | None = None) -> datetime:
    """Read a date and time, local where it names no zone, or a duration before `now`."""
    if DURATION.fullmatch(given.strip().lower()):
        return (now or datetime.now(UTC)) - timedelta(seconds=seconds(given, option))
    try:
        # Python reads a moment without a zone as local time.
        return datetime.fromisoformat(given.strip()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise OptionInvalid(
            f"{option} wants 10m, 2h or 1d for that long ago, or a date such as "
            f"2026-01-31T12:00, not {given!r}."
        ) from error
