"""Logs when the clock of this machine is wrong, compared with Redis's clock.

Nothing depends on it: PostgreSQL decides all times. But the times in the logs are wrong, and so are
those of other programs on the machine.
"""

from __future__ import annotations

import logging

from plumbline.heartbeat import CLOCK_TOLERANCE_S, clock_difference

log = logging.getLogger(__name__)


class ClockCheck:
    """Logs one line when the clock becomes wrong, and one when it is right again."""

    def __init__(self) -> None:
        self._wrong = False

    def observe(self, ahead_s: float) -> None:
        """`ahead_s` is how far this machine's clock is ahead of Redis's."""
        wrong = abs(ahead_s) > CLOCK_TOLERANCE_S
        if wrong and not self._wrong:
            log.warning(
                "this machine's clock is %s Redis's; scoring is not affected, but the times in "
                "this log are wrong",
                clock_difference(ahead_s),
            )
        elif self._wrong and not wrong:
            log.warning("this machine's clock agrees with Redis's again")
        self._wrong = wrong
