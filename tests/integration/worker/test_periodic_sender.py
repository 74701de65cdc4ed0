"""Beat's core on real servers: what is sent, and when, whatever the time of day is."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import redis
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from plumbline.queues import KEY_PREFIX
from plumbline_client.services import Services
from worker.periodic import PeriodicTask
from worker.periodic_sender import PeriodicSender

NOWHERE = "127.0.0.1:1"
SWEEP = PeriodicTask("plumbline.sweep", 5.0, "plumbline.upkeep", {})
DRIFT = PeriodicTask("plumbline.drift", 3_600.0, "plumbline.reports", {})
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
ROUNDING_S = 1e-6
JUMPS = st.floats(-86_400.0 * 400, 86_400.0 * 400)


@dataclass
class FakeClock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def beat(database_url: str, broker_url: str, clock: FakeClock) -> Iterator[PeriodicSender]:
    sender = PeriodicSender([SWEEP, DRIFT], Services(database_url, broker_url), clock)
    yield sender
    sender.close()


def read(keys: redis.Redis, task: PeriodicTask) -> bool:
    """Read one message of the task, as a worker does; return whether there was one."""
    return keys.rpop(KEY_PREFIX + task.queue) is not None


def run_began(engine: Engine, age_s: float) -> None:
    """Record that every task began so long ago."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE plumbline.periodic_tasks "
                "SET began_at = clock_timestamp() - make_interval(secs => :age_s)"
            ),
            {"age_s": age_s},
        )


# The fixtures stay the same from example to example; what the examples leave behind is deleted.
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(st.tuples(st.floats(0.1, 20.0), JUMPS), min_size=1, max_size=15))
def test_jumps_of_the_time_of_day_change_nothing(
    database_url: str, broker_url: str, engine: Engine, steps: list[tuple[float, float]]
) -> None:
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE plumbline.periodic_tasks"))
    clock, sent_at = FakeClock(), []
    started = clock.now
    with (
        beat(database_url, broker_url, clock) as sender,
        redis.Redis.from_url(broker_url) as keys,
        time_machine.travel(NOON) as time_of_day,
    ):
        keys.flushall()
        sender.send_due()
        for pause_s, jump_s in steps:
            clock.now += pause_s
            time_of_day.move_to(NOON + timedelta(seconds=jump_s))
            wait_s = sender.send_due()
            assert 0 <= wait_s <= SWEEP.every_s + ROUNDING_S
            if read(keys, SWEEP):
                sent_at.append(clock.now)
    passed_s = clock.now - started
    longest_s = max(pause_s for pause_s, _ in steps)
    # The first one comes a little early, since a moment has passed since the task was scheduled.
    assert len(sent_at) <= passed_s / SWEEP.every_s + 1
    assert len(sent_at) >= (passed_s - ROUNDING_S) // (SWEEP.every_s + longest_s)


def test_a_restart_neither_postpones_nor_repeats_a_task(
    database_url: str, broker_url: str, engine: Engine
) -> None:
    with redis.Redis.from_url(broker_url) as keys:
        for age_s, due_in_s in ((1_800.0, 1_800.0), (3_500.0, 100.0), (-3_600.0, 0.0), (1e9, 0.0)):
            clock = FakeClock()
            with beat(database_url, broker_url, clock) as sender:
                sender.send_due()
            run_began(engine, age_s)
            keys.flushall()
            with beat(database_url, broker_url, clock) as sender:
                sender.send_due()
                # The ages were read a moment after they were written.
                clock.now += due_in_s - 30
                sender.send_due()
                assert read(keys, DRIFT) is (due_in_s == 0)
                clock.now += 30
                sender.send_due()
                assert read(keys, DRIFT) is (due_in_s > 0)


def test_unread_messages_do_not_pile_up(database_url: str, broker_url: str) -> None:
    clock = FakeClock()
    with (
        beat(database_url, broker_url, clock) as sender,
        redis.Redis.from_url(broker_url) as keys,
    ):
        for _ in range(20):
            clock.now += 3_600
            sender.send_due()
        for task in (SWEEP, DRIFT):
            assert read(keys, task) and not read(keys, task)


def test_an_unavailable_server_is_tried_again_soon(
    database_url: str,
    broker_url: str,
    postgres_server_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = FakeClock()
    with beat(f"postgresql://u@{NOWHERE}/d", broker_url, clock) as sender:
        assert 0 < sender.send_due() <= 5
    assert "no periodic task is sent: PostgreSQL at " in caplog.text
    with beat(database_url, f"redis://{NOWHERE}/0", clock) as sender:
        sender.send_due()
        clock.now += 3_600
        for _ in range(3):
            assert 0 < sender.send_due() <= 5
            clock.now += 5
    # Once, however often and for however many tasks.
    assert caplog.text.count("periodic tasks are not sent: Redis at ") == 1
    caplog.set_level(logging.INFO)
    # Tables of an earlier release.
    with (
        beat(postgres_server_url, broker_url, clock) as sender,
        redis.Redis.from_url(broker_url) as keys,
    ):
        assert sender.send_due() == 5
        clock.now += 5
        sender.send_due()
        assert read(keys, SWEEP)
