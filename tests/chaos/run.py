"""One run: submit the planned jobs, kill what the plan names, and audit the ledger."""

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
from tests.chaos.audit import Audit, audit_ledger, read_ledger, record_changes
from tests.chaos.fleet import Fleet, start_fleet
from tests.chaos.plan import Kill, Plan, make_plan
from tests.chaos.producers import Producers, Throttle

POLL_S = 0.1
# How many jobs may be open at a time, as a share of all jobs.
MAX_OPEN_SHARE = 0.12
MIN_OPEN_JOBS = 100
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
UNACKNOWLEDGED = KEY_PREFIX + "unacked"


@dataclass(frozen=True, slots=True)
class Size:
    jobs: int
    kills: int
    seed: int
    poisons: int = 1
    outage_s: float = 3.0
    timeout_s: float = 240.0


@dataclass(frozen=True, slots=True)
class RunReport:
    audit: Audit
    submissions: int
    killed: Counter[str]
    took_s: float

    @property
    def passed(self) -> bool:
        return self.audit.passed

    def lines(self) -> list[str]:
        kills = ", ".join(f"{count} x {target}" for target, count in sorted(self.killed.items()))
        return [
            f"{self.submissions} submissions through all paths in {self.took_s:.0f} s; "
            f"{self.killed.total()} SIGKILLs: {kills}",
            *self.audit.evidence(),
            self.audit.line,
        ]


def run(size: Size, folder: Path, print_line: Callable[[str], None]) -> RunReport:
    """Run and audit. Raises AssertionError if jobs are still open after `timeout_s`."""
    plan = make_plan(size.jobs, size.kills, size.seed, poisons=size.poisons, outage_s=size.outage_s)
    started = time.monotonic()
    with start_fleet(folder, SETTINGS) as fleet:
        engine = connect(fleet.postgres.url)
        migrate.upgrade(engine)
        record_changes(engine)
        engine.dispose()
        fleet.start_processes()
        throttle = Throttle(max(MIN_OPEN_JOBS, int(MAX_OPEN_SHARE * size.jobs)))
        producers = Producers(plan, fleet, throttle)
        producers.start()
        try:
            killed = KillLoop(fleet, plan, producers, throttle, size, print_line).run()
        finally:
            producers.stop()
        engine = connect(fleet.postgres.url)
        with engine.connect() as connection:
            rows = read_ledger(connection)
        engine.dispose()
    submitted = producers.submitted
    return RunReport(
        audit_ledger(plan.jobs, rows, submitted.acknowledged, submitted.sent),
        submitted.count,
        killed,
        time.monotonic() - started,
    )


class KillLoop:
    """Kills by plan and supervises the fleet until every job has ended."""

    def __init__(
        self,
        fleet: Fleet,
        plan: Plan,
        producers: Producers,
        throttle: Throttle,
        size: Size,
        print_line: Callable[[str], None],
    ) -> None:
        self._fleet = fleet
        self._kills = list(plan.kills)
        self._producers = producers
        self._throttle = throttle
        self._size = size
        self._print_line = print_line
        self._random = Random(size.seed)
        self._killed: Counter[str] = Counter()
        self._ended = 0
        self._open = 0
        self._started = time.monotonic()

    def run(self) -> Counter[str]:
        """Return how often each target was killed."""
        give_up_at = self._started + self._size.timeout_s
        while not self._is_over():
            if time.monotonic() > give_up_at:
                raise AssertionError(
                    f"after {self._size.timeout_s:g} s {self._open} jobs are open, {self._ended} "
                    f"have ended and {len(self._kills)} kills remain"
                )
            self._fleet.supervise()
            self._read_progress()
            self._kill()
            time.sleep(POLL_S)  # the interval between two polls; the deadline is above
        return self._killed

    def _is_over(self) -> bool:
        if not self._producers.done() or self._kills or not self._servers_up():
            return False
        if not self._read_progress() or self._open:
            return False
        return self._redis_is_empty()

    def _servers_up(self) -> bool:
        return self._fleet.postgres.is_up and self._fleet.redis.is_up

    def _read_progress(self) -> bool:
        """Count ended and open jobs; return False if PostgreSQL does not respond."""
        if not self._fleet.postgres.is_up:
            return False
        try:
            with psycopg.connect(self._fleet.postgres.url, connect_timeout=5) as connection:
                row = connection.execute(PROGRESS).fetchone()
        except psycopg.OperationalError:
            return False
        assert row is not None
        self._ended, self._open = row
        self._throttle.update(self._open)
        return True

    def _kill(self) -> None:
        share = self._ended / self._size.jobs
        due = share >= self._kills[0].share if self._kills else False
        # If the broker lost jobs, the last shares are never reached: kill at the end instead.
        idle = self._producers.done() and not self._open
        if self._kills and (due or idle) and self._fleet.kill(self._kills[0], self._random):
            self._record(self._kills.pop(0))

    def _record(self, kill: Kill) -> None:
        self._killed[kill.target] += 1
        down = f", back in {kill.down_s:g} s" if kill.down_s else ""
        took_s = time.monotonic() - self._started
        self._print_line(f"{took_s:5.0f} s, {self._ended:,} ended: SIGKILL {kill.target}{down}")

    def _redis_is_empty(self) -> bool:
        """Return whether no message is left. Messages of killed workers are restored first.

        Celery restores them only after an hour, the visibility timeout.
        """
        url = self._fleet.redis.url
        try:
            with redis.Redis.from_url(url) as client:
                unacknowledged = client.hlen(UNACKNOWLEDGED)
            if unacknowledged:
                restore_unacknowledged(url)
            return not unacknowledged and not queue_depth(url)
        except (redis.RedisError, OperationalError, BrokerUnavailable):
            return False


def restore_unacknowledged(url: str) -> None:
    """Do what any worker does with messages older than the visibility timeout, here 0 s."""
    options = {"global_keyprefix": KEY_PREFIX, "visibility_timeout": 0}
    with Connection(url, transport_options=options) as connection:
        connection.default_channel.qos.restore_visible(num=1_000, interval=1)
