"""Waiting for a PostgreSQL that answers with an error that may pass, before work is accepted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from plumbline_client.errors import DatabaseNotReady, DatabaseUnavailable

ASK_EVERY_S = 1.0
REPORT_EVERY_S = 60.0
T = TypeVar("T")


def call_when_ready(
    operation: Callable[[], T],
    report: Callable[[str], None],
    pause: Callable[[float], None] = time.sleep,
) -> T:
    """Call `operation` until PostgreSQL is ready for it, and report why it is not as a sentence.

    Raises what `operation` raises if the error cannot pass, or if PostgreSQL does not answer.
    """
    reported, reported_at = "", 0.0
    while True:
        try:
            return operation()
        except DatabaseUnavailable as error:
            # A server that is being replaced may be away for a moment.
            if not reported and not isinstance(error, DatabaseNotReady):
                raise
            sentence = str(error)
        if sentence != reported or time.monotonic() - reported_at >= REPORT_EVERY_S:
            report(sentence)
            reported, reported_at = sentence, time.monotonic()
        pause(ASK_EVERY_S)
