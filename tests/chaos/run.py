"""One run: submit the planned jobs, kill what the plan names, and audit the ledger."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import redis

from plumbline.broker import queue_depth
from plumbline.queues import KEY_PREFIX
from plumbline_client.errors import BrokerUnavailable
from storage import migrate
from storage.database import connect
from tests.chaos.audit import Audit, audit_ledger, read_ledger, record_changes
from tests.chaos.fleet import MAX_SKEW_S, Fleet, start_fleet
from tests.chaos.plan import Plan, SubmissionPath, make_plan
from tests.chaos.producers import Producers, Throttle
from worker.broker.unacknowledged import Unacknowledged

POLL_S = 0.1
# Counting reads every job. It may take this share of the time, however many jobs there are.
COUNTING_SHARE = 0.1
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
# One text per message, so that as many messages as possible meet a kill.
BARE_ONLY: dict[str, Any] = {"paths": [SubmissionPath.MESSAGE], "batch_sizes": [1]}
UNACKED, UNACKED_INDEX = "unacked", "unacked_index"


@dataclass(frozen=True, slots=True)
class Size:
    jobs: int
    kills: int
    seed: int
    poisons: int = 1
    outage_s: float = 3.0
    timeout_s: float = 240.0
    stop_after_s: float = math.inf
    bare_only: bool = False


@dataclass(frozen=True, slots=True)
class RunReport:
    audit: Audit
    submissions: int
    killed: Counter[str]
    disturbed: Counter[str]
    took_s: float

    @property
    def passed(self) -> bool:
        return self.audit.passed

    def lines(self) -> list[str]:
        return [
            f"{self.submissions} submissions through all paths in {self.took_s:.0f} s; "
            f"{self.killed.total()} SIGKILLs: {list_counts(self.killed)}",
            f"disturbances: {list_counts(self.disturbed)}; "
            f"clocks were up to {MAX_SKEW_S / 60:.0f} min off",
            *self.audit.evidence(),
            self.audit.line,
        ]


def list_counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count} x {name}" for name, count in sorted(counts.items()))


def run(size: Size, folder: Path, print_line: Callable[[str], None]) -> RunReport:
    """Run and audit. Raises AssertionError if jobs are still open after `timeout_s`."""
    plan = make_plan(
        size.jobs,
        size.kills,
        size.seed,
        poisons=size.poisons,
        outage_s=size.outage_s,
        **(BARE_ONLY if size.bare_only else {}),
    )
    started = time.monotonic()
    with start_fleet(folder, SETTINGS, size.seed) as fleet:
        engine = connect(fleet.postgres.url)
        migrate.upgrade(engine)
        record_changes(engine)
        engine.dispose()
        fleet.start_processes()
        throttle = Throttle(max(MIN_OPEN_JOBS, int(MAX_OPEN_SHARE * size.jobs)))
        producers = Producers(plan, fleet, throttle)
        producers.start()
        try:
            loop = KillLoop(fleet, plan, producers, throttle, size, print_line)
            loop.run()
        finally:
            producers.stop()
        engine = connect(fleet.postgres.url)
        with engine.connect() as connection:
            rows = read_ledger(connection)
        engine.dispose()
    submitted = producers.submitted
    return RunReport(
        audit_ledger(submitted.jobs(plan), rows, submitted.acknowledged, submitted.sent),
        submitted.count,
        loop.killed,
        loop.disturbed,
        time.monotonic() - started,
    )


class KillLoop:
    """Kills and disturbs by plan, and supervises the fleet until every job has ended.

    `killed` and `disturbed` count what was done.
    """

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
        self._disturbances = list(plan.disturbances)
        self._producers = producers
        self._throttle = throttle
        self._size = size
        self._print_line = print_line
        self._random = Random(size.seed)
        self.killed: Counter[str] = Counter()
        self.disturbed: Counter[str] = Counter()
        self._ended = 0
        self._open = 0
        self._started = time.monotonic()
        self._count_at = self._started

    def run(self) -> None:
        give_up_at = self._started + self._size.timeout_s
        while not self._is_over():
            if time.monotonic() > give_up_at:
                raise AssertionError(
                    f"after {self._size.timeout_s:g} s {self._open} jobs are open, {self._ended} "
                    f"have ended and {len(self._kills)} kills remain"
                )
            self._fleet.supervise()
            if time.monotonic() > self._started + self._size.stop_after_s:
                self._stop_early()
            if time.monotonic() >= self._count_at:
                self._read_progress()
            self._kill()
            self._disturb()
            time.sleep(POLL_S)  # the interval between two polls; the deadline is above

    def _stop_early(self) -> None:
        self._kills, self._disturbances = [], []
        self._throttle.stop()

    def _is_over(self) -> bool:
        if not self._producers.done() or self._kills or self._disturbances:
            return False
        if self._open or not self._servers_up():
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
        started = time.monotonic()
        try:
            with psycopg.connect(self._fleet.postgres.url, connect_timeout=5) as connection:
                row = connection.execute(PROGRESS).fetchone()
        except psycopg.OperationalError:
            return False
        assert row is not None
        self._ended, self._open = row
        self._throttle.update(self._open)
        ended = time.monotonic()
        self._count_at = ended + (ended - started) / COUNTING_SHARE
        return True

    def _kill(self) -> None:
        if self._kills and self._is_due(self._kills[0].share):
            kill = self._kills[0]
            if self._fleet.kill(kill, self._random):
                self._kills.pop(0)
                self.killed[kill.target] += 1
                down = f", back in {kill.down_s:g} s" if kill.down_s else ""
                self._print(f"SIGKILL {kill.target}{down}")

    def _disturb(self) -> None:
        if self._disturbances and self._is_due(self._disturbances[0].share):
            disturbance = self._disturbances[0]
            if self._fleet.disturb(disturbance):
                self._disturbances.pop(0)
                self.disturbed[disturbance.trouble] += 1
                self._print(f"{disturbance.trouble} for {disturbance.duration_s:g} s")

    def _is_due(self, share: float) -> bool:
        # If the broker lost jobs, the last shares are never reached: continue at the end instead.
        idle = self._producers.done() and not self._open
        return idle or self._ended >= share * self._size.jobs

    def _print(self, event: str) -> None:
        took_s = time.monotonic() - self._started
        self._print_line(f"{took_s:5.0f} s, {self._ended:,} ended: {event}")

    def _redis_is_empty(self) -> bool:
        """Return whether no message is left. Those of killed workers return to their queues first.

        Workers would return them too, a minute after the last renewal.
        """
        url = self._fleet.redis.tester_url
        try:
            with redis.Redis.from_url(url) as client:
                unacknowledged = client.hlen(KEY_PREFIX + UNACKED)
            if unacknowledged:
                return_unacknowledged(url)
            return not unacknowledged and not queue_depth(url)
        except (redis.RedisError, BrokerUnavailable):
            return False


def return_unacknowledged(url: str) -> None:
    """Return every message that a worker holds, as workers do with those of a dead one."""
    with redis.Redis.from_url(url) as client:
        unacknowledged = Unacknowledged(client, KEY_PREFIX, UNACKED, UNACKED_INDEX)
        tags = [tag.decode() for tag in client.hkeys(KEY_PREFIX + UNACKED)]
        unacknowledged.return_to_queues(tags, read_next=True)
