"""Redis answers with an error that may pass: how long to pause, and when to log it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from time import monotonic

from worker.backoff import backoff_s

LONGEST_PAUSE_S = 5.0
# How often to log an error that does not change.
LOG_EVERY_S = 60.0


class Refusals:
    """Consecutive refusals of one operation. Each new reason is logged once, and then rarely."""

    def __init__(self, log: logging.Logger, consequence: str) -> None:
        self._log = log
        self._consequence = consequence
        self._count = 0
        self._reason = ""
        self._logged_at = 0.0

    def add(
        self, reason: str, now: float | None = None, extra: Mapping[str, str] | None = None
    ) -> float:
        """Record a refusal. Return how long to pause before the next attempt, in seconds.

        `extra` are the fields of the log line.
        """
        now = monotonic() if now is None else now
        if reason != self._reason or now - self._logged_at >= LOG_EVERY_S:
            self._log.warning("%s: %s", self._consequence, reason, extra=extra)
            self._reason, self._logged_at = reason, now
        self._count += 1
        return min(LONGEST_PAUSE_S, backoff_s(self._count - 1))

    def end(self) -> None:
        """Record that the operation succeeded."""
        if self._count:
            self._log.info("over: %s", self._consequence)
        self._count, self._reason = 0, ""
