"""One run: all is started and sent, much is killed, and the ledger is held to account."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import psycopg
import redis
from kombu import Connection
from kombu.exceptions import OperationalError

from plumbline.broker import queue_depth
from plumbline.queues import KEY_PREFIX
from plumbline_client.errors import BrokerUnavailable
from storage import migrate
from storage.database import connect
from tests.chaos import verdict
from tests.chaos.fleet import Fleet, fleet
from tests.chaos.plan import Kill, Plan, make_plan
from tests.chaos.producers import Pace, Producers
from tests.chaos.verdict import Verdict

POLL_S = 0.1
# How far producers run ahead of the workers, as a share of all jobs.
AHEAD = 0.12
SETTINGS = {
    "lease_s": 2.0,
    "sweep_every_s": 0.5,
    "republish_after_s": 5.0,
    "max_attempts": 4,
    "message_size": 12,
    "text_timeout_s": 2.0,
    "child_memory_mb": 1024,
    "drift_every_s": 86_400.0,
}
PROGRESS = """
SELECT count(*) FILTER (WHERE state NOT IN ('queued', 'leased')),
       count(*) FILTER (WHERE state IN ('queued', 'leased'))
FROM plumbline.jobs
"""
UNACKED = KEY_PREFIX + "unacked"


@dataclass(frozen=True, slots=True)
class Size:
    jobs: int
    kills: int
    seed: int
    poisons: int = 1
    outage_s: float = 3.0
    timeout_s: float = 240.0


@dataclass(frozen=True, slots=True)
class Report:
    verdict: Verdict
    submissions: int
    sent: int
    killed: Counter[str]
    took_s: float

    @property
    def holds(self) -> bool:
        return self.verdict.holds

    def lines(self) -> list[str]:
        kills = ", ".join(f"{count} x {target}" for target, count in sorted(self.killed.items()))
        return [
            f"{self.submissions} submissions through all doors in {self.took_s:.0f} s; "
            f"{self.killed.total()} SIGKILLs: {kills}",
            f"of {self.sent} jobs sent as bare messages the broker lost "
            f"{len(self.verdict.broker_lost)} before a worker saw them",
            *self.verdict.evidence(),
            self.verdict.line,
        ]


def run(size: Size, folder: Path, say: Callable[[str], None]) -> Report:
    """Raises AssertionError where it does not come to an end in time."""
    plan = make_plan(size.jobs, size.kills, size.seed, poisons=size.poisons, outage_s=size.outage_s)
    started = time.monotonic()
    with fleet(folder, SETTINGS) as running:
        engine = connect(running.postgres.url)
        migrate.upgrade(engine)
        verdict.watch(engine)
        engine.dispose()
        running.start_processes()
        pace = Pace(max(100, int(AHEAD * size.jobs)))
        producers = Producers(
            plan, running.postgres.url, running.redis.url, running.environment, folder, pace
        )
        producers.start()
        try:
            killed = Storm(running, plan, producers, pace, size, say).pass_over()
        finally:
            producers.stop()
        engine = connect(running.postgres.url)
        with engine.connect() as connection:
            rows = verdict.read(connection)
        engine.dispose()
    known = producers.known
    return Report(
        verdict.judge(plan.jobs, rows, known.accepted, known.sent),
        known.submissions,
        len(known.sent),
        killed,
        time.monotonic() - started,
    )


class Storm:
    """Kills by the plan, tends what was killed, and sees to it that everything ends."""

    def __init__(
        self,
        running: Fleet,
        plan: Plan,
        producers: Producers,
        pace: Pace,
        size: Size,
        say: Callable[[str], None],
    ) -> None:
        self._running = running
        self._kills = list(plan.kills)
        self._producers = producers
        self._pace = pace
        self._size = size
        self._say = say
        self._random = Random(size.seed)
        self._killed: Counter[str] = Counter()
        self._ended = 0
        self._open = 0
        self._started = time.monotonic()

    def pass_over(self) -> Counter[str]:
        """Return how often each target was killed."""
        give_up_at = self._started + self._size.timeout_s
        while not self._is_over():
            if time.monotonic() > give_up_at:
                raise AssertionError(
                    f"{self._open} jobs are open, {self._ended} have ended and "
                    f"{len(self._kills)} kills are to come after {self._size.timeout_s:g} s"
                )
            self._running.supervise()
            self._look()
            self._kill()
            time.sleep(POLL_S)  # between two looks; the deadline is above
        return self._killed

    def _is_over(self) -> bool:
        if not self._producers.done() or self._kills or not self._servers_up():
            return False
        if not self._look() or self._open:
            return False
        return self._nothing_in_redis()

    def _servers_up(self) -> bool:
        return self._running.postgres.is_up and self._running.redis.is_up

    def _look(self) -> bool:
        """Read how far it is; False where PostgreSQL does not answer."""
        if not self._running.postgres.is_up:
            return False
        try:
            with psycopg.connect(self._running.postgres.url, connect_timeout=5) as connection:
                row = connection.execute(PROGRESS).fetchone()
        except psycopg.OperationalError:
            return False
        assert row is not None
        self._ended, self._open = row
        self._pace.tell(self._open)
        return True

    def _kill(self) -> None:
        share = self._ended / self._size.jobs
        # What remains at the end, as where the broker lost some jobs, comes then.
        due = share >= self._kills[0].share if self._kills else False
        idle = self._producers.done() and not self._open
        if self._kills and (due or idle) and self._running.kill(self._kills[0], self._random):
            self._tell(self._kills.pop(0))

    def _tell(self, kill: Kill) -> None:
        self._killed[kill.target] += 1
        down = f", back in {kill.down_s:g} s" if kill.down_s else ""
        took_s = time.monotonic() - self._started
        self._say(f"{took_s:5.0f} s, {self._ended:,} ended: SIGKILL {kill.target}{down}")

    def _nothing_in_redis(self) -> bool:
        """Whether no message waits. A killed worker's come back an hour later: now is then."""
        url = self._running.redis.url
        try:
            with redis.Redis.from_url(url) as keys:
                held = keys.hlen(UNACKED)
            if held:
                give_back_unacknowledged(url)
            return not held and not queue_depth(url)
        except (redis.RedisError, OperationalError, BrokerUnavailable):
            return False


def give_back_unacknowledged(url: str) -> None:
    """What any worker does with messages older than the visibility timeout, here of 0 s."""
    options = {"global_keyprefix": KEY_PREFIX, "visibility_timeout": 0}
    with Connection(url, transport_options=options) as connection:
        connection.default_channel.qos.restore_visible(num=1_000, interval=1)
