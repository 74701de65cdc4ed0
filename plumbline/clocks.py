"""The clocks of the system, compared with PostgreSQL's, which decides all times.

A wrong clock changes no result, but it misdates logs, so it is reported.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from plumbline.heartbeat import CLOCK_TOLERANCE_S, Heartbeat, Survey, clock_difference


@dataclass(frozen=True, slots=True)
class Clocks:
    """How many seconds the clocks of this machine and of Redis are ahead of PostgreSQL's."""

    this_machine_s: float
    redis_s: float

    @classmethod
    def of(cls, survey: Survey, this_machine_s: float) -> Clocks:
        return cls(this_machine_s, this_machine_s - survey.clock_ahead_s)

    def of_sender(self, sender: Heartbeat) -> float | None:
        """Return how far a sender's clock is ahead of PostgreSQL's; None if it did not tell."""
        return None if sender.clock_ahead_s is None else sender.clock_ahead_s + self.redis_s


def clock_warnings(survey: Survey, clocks: Clocks) -> Iterator[str]:
    """Yield one sentence per clock that is wrong."""
    differences: list[tuple[str, float | None]] = [
        ("this machine", clocks.this_machine_s),
        ("Redis", clocks.redis_s),
        *(
            (f"{sender.name} on {sender.machine}", clocks.of_sender(sender))
            for sender in survey.heartbeats
        ),
    ]
    for owner, ahead_s in differences:
        if ahead_s is not None and abs(ahead_s) > CLOCK_TOLERANCE_S:
            yield (
                f"The clock of {owner} is {clock_difference(ahead_s)} PostgreSQL's, which decides "
                "all times; synchronize the clocks with NTP."
            )
