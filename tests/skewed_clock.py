"""A wrong clock for processes that tests start: off by some seconds, and set at chosen moments.

Only the time of day is wrong. `time.monotonic` is not, as on a machine whose clock somebody sets.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import time_machine

VARIABLE = "TEST_CLOCK"


@dataclass(frozen=True, slots=True)
class SkewedClock:
    """`later` are further settings of the clock: pairs of the seconds since the start of the
    process and the offset from then on.
    """

    offset_s: float
    later: tuple[tuple[float, float], ...] = ()

    def environment(self) -> dict[str, str]:
        """Return the variable that makes `tests.skewed_app` and `tests.skewed_cli` use it."""
        steps = ((0.0, self.offset_s), *self.later)
        return {VARIABLE: ",".join(f"{after_s}:{offset_s}" for after_s, offset_s in steps)}

    @classmethod
    def from_environment(cls) -> SkewedClock | None:
        if not (value := os.environ.get(VARIABLE)):
            return None
        pairs = (step.split(":") for step in value.split(","))
        first, *later = ((float(after_s), float(offset_s)) for after_s, offset_s in pairs)
        return cls(first[1], tuple(later))

    def start(self) -> None:
        """Set the clock of this process and of those that it forks, until they end."""
        now = datetime.now(UTC)
        traveller = time_machine.travel(now + timedelta(seconds=self.offset_s)).start()
        # The traveller counts from the first time that it is asked.
        time.time()
        started = time.monotonic()
        offsets_s = [self.offset_s, *(offset_s for _, offset_s in self.later)]
        steps = [
            (started + after_s, offset_s - before_s)
            for (after_s, offset_s), before_s in zip(self.later, offsets_s, strict=False)
        ]

        def run() -> None:
            pause = threading.Event()
            for at, change_s in steps:
                if at > time.monotonic():
                    pause.wait(at - time.monotonic())
                    traveller.shift(change_s)

        def start_thread() -> None:
            # A fork has the offset of its parent, but not its threads.
            threading.Thread(target=run, name="skewed-clock", daemon=True).start()

        if steps:
            os.register_at_fork(after_in_child=start_thread)
            start_thread()


def start_from_environment() -> None:
    if (clock := SkewedClock.from_environment()) is not None:
        clock.start()
