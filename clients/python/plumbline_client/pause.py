"""A pause that also works where the clock is faked."""

from __future__ import annotations

from threading import Event


def pause(seconds: float) -> None:
    """Wait. `time.sleep` raises OSError under libfaketime, with which services test clocks."""
    Event().wait(seconds)
