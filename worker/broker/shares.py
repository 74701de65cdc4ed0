"""Start-time fair queueing: which lane of a queue is read next, so that all get the same time.

Each lane has used some time, and the one that used least is read first. A lane that was empty
starts at the time of the lane that was read last: it saves up nothing while it is empty.
Goyal, Vin and Cheng, "Start-time Fair Queueing", SIGCOMM 1996.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

# What a message takes before any of its lane has ended.
FIRST_ESTIMATE_S = 0.05
# The weight of the latest message in the estimate for the next one.
LATEST = 0.25


# Two messages of a lane can have the same values, and only one of them ends.
@dataclass(slots=True, eq=False)
class Running:
    """A message that is being processed. It has cost its lane `charged_s` in advance."""

    lane: str
    charged_s: float
    started_at: float | None = None

    def elapsed_s(self, now: float) -> float:
        return 0.0 if self.started_at is None else now - self.started_at


@dataclass(slots=True)
class _Lane:
    used_s: float = 0.0
    estimate_s: float = FIRST_ESTIMATE_S
    turn: int = 0


@dataclass(slots=True)
class Shares:
    """The time that the lanes of one queue have used."""

    _lanes: dict[str, _Lane] = field(default_factory=dict)
    _running: list[Running] = field(default_factory=list)
    _virtual_s: float = 0.0
    _turns: int = 0

    def order(self, lanes: Iterable[str], now: float) -> list[str]:
        """Return the lanes in the order in which to look for a message."""
        late = dict[str, float]()
        for running in self._running:
            over = running.elapsed_s(now) - running.charged_s
            late[running.lane] = late.get(running.lane, 0.0) + max(0.0, over)

        def place(name: str) -> tuple[float, int]:
            lane = self._lanes.get(name)
            if lane is None:
                return self._virtual_s, 0
            return max(self._virtual_s, lane.used_s + late.get(name, 0.0)), lane.turn

        return sorted(lanes, key=place)

    def begin(self, name: str) -> Running:
        """Record that a message of this lane was taken."""
        lane = self._lanes.setdefault(name, _Lane())
        self._turns += 1
        lane.turn = self._turns
        self._virtual_s = max(self._virtual_s, lane.used_s)
        lane.used_s = self._virtual_s + lane.estimate_s
        running = Running(name, lane.estimate_s)
        self._running.append(running)
        return running

    def end(self, running: Running, took_s: float) -> None:
        """Record how long the message took, with the restart of its process if it crashed."""
        self._running.remove(running)
        lane = self._lanes[running.lane]
        lane.used_s += took_s - running.charged_s
        lane.estimate_s += LATEST * (took_s - lane.estimate_s)

    @property
    def running(self) -> int:
        return len(self._running)
