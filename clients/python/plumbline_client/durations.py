"""Durations that PostgreSQL adds to its own time, since this machine's clock may be wrong."""

from __future__ import annotations

from datetime import timedelta

# Longer durations are equivalent, and PostgreSQL's times end in the year 294276.
LONGEST = timedelta(days=366_000)


def storable_duration(duration: timedelta) -> timedelta:
    """Return the duration, at most a thousand years in either direction."""
    return max(-LONGEST, min(duration, LONGEST))
