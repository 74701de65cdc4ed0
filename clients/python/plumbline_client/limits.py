"""How long PostgreSQL may work on a statement, and wait for a lock, by kind of work."""

from __future__ import annotations

import re
from dataclasses import dataclass

UNITS_MS = {"": 1, "us": 0.001, "ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
DURATION = re.compile(r"(\d+) ?([a-z]*)")


@dataclass(frozen=True, slots=True)
class Limits:
    """The server's limits of one statement; the URL's own `options` override them."""

    statement_s: float
    lock_s: float

    def settings(self) -> dict[str, str]:
        return {
            "statement_timeout": duration_of(self.statement_s),
            "lock_timeout": duration_of(self.lock_s),
        }


# Of a client without a time limit of its own.
DEFAULT = Limits(statement_s=30.0, lock_s=10.0)


def duration_of(seconds: float) -> str:
    """Return the duration as PostgreSQL shows it."""
    milliseconds = round(1000 * seconds)
    for unit in ("h", "min", "s"):
        count, rest = divmod(milliseconds, int(UNITS_MS[unit]))
        if count and not rest:
            return f"{count}{unit}"
    return f"{milliseconds}ms"


def seconds_of(duration: str) -> float | None:
    """Return the seconds of a duration that PostgreSQL shows; None without a limit."""
    match = DURATION.fullmatch(duration)
    milliseconds = int(match[1]) * UNITS_MS.get(match[2], 0) if match else 0
    return milliseconds / 1000 or None
