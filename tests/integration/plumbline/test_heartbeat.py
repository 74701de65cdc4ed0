from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from plumbline import heartbeat
from plumbline.heartbeat import CLOCKS_KEY, KEY, MAX_AGE_S, MAX_MEMBERS, Heartbeat, WorkerStatus
from plumbline.queues import SCORE_QUEUE
from plumbline_client.broker import connect_redis

FAR_FUTURE = 2.0**60
MACHINE = heartbeat.machine_name()
MINE = Heartbeat(WorkerStatus.SCORING, MACHINE, "w")


def now(keys: redis.Redis) -> int:
    return int(keys.time()[0])


def fill(keys: redis.Redis) -> None:
    """Add more members than are kept, recent ones and ones of the future."""
    recent = {f"scoring elsewhere {i}": now(keys) for i in range(MAX_MEMBERS)}
    future = {f"scoring ahead {i}": FAR_FUTURE for i in range(MAX_MEMBERS)}
    keys.zadd(KEY, recent)
    keys.zadd(KEY, future)
    keys.hset(CLOCKS_KEY, mapping=dict.fromkeys(future | recent, 1))


SPOILERS: dict[str, Callable[[redis.Redis], object]] = {
    "not UTF-8": lambda keys: keys.zadd(KEY, {b"\xff\xfe scoring \x80": now(keys)}),
    "too few words": lambda keys: keys.zadd(KEY, {"scoring": now(keys), "": now(keys)}),
    "a status of a later release": lambda keys: keys.zadd(KEY, {"dreaming m n": now(keys)}),
    "a score without end": lambda keys: keys.zadd(KEY, {"scoring m n": float("inf")}),
    "a score before all time": lambda keys: keys.zadd(KEY, {"scoring m n": float("-inf")}),
    "the far future": lambda keys: keys.zadd(KEY, {"scoring m n": FAR_FUTURE}),
    "a clock that is not a number": lambda keys: keys.hset(
        CLOCKS_KEY, mapping={f"scoring {MACHINE} w": "nan", "other": "\x00"}
    ),
    "a string": lambda keys: keys.set(KEY, "x"),
    "a list": lambda keys: keys.delete(KEY) and keys.lpush(KEY, "x"),
    "clocks that are a set": lambda keys: keys.delete(CLOCKS_KEY) and keys.sadd(CLOCKS_KEY, "x"),
    "too many members": fill,
}


@pytest.mark.parametrize("spoil", SPOILERS.values(), ids=SPOILERS.keys())
def test_whatever_the_keys_hold_heartbeats_are_sent_and_read(
    broker_url: str, spoil: Callable[[redis.Redis], object]
) -> None:
    with redis.Redis.from_url(broker_url) as keys:
        heartbeat.send(keys, WorkerStatus.SCORING, "w")
        spoil(keys)
        heartbeat.survey(keys)
        heartbeat.forget(keys, ["another"])
        heartbeat.send(keys, WorkerStatus.SCORING, "w")
        survey = heartbeat.survey(keys)
        assert MINE in survey.heartbeats
        assert len(survey.heartbeats) <= MAX_MEMBERS
        (ahead,) = [beat.clock_ahead_s for beat in survey.heartbeats if beat == MINE]
        assert ahead is not None and abs(ahead) < 60
        assert keys.zcard(KEY) <= MAX_MEMBERS
        assert keys.hlen(CLOCKS_KEY) <= MAX_MEMBERS + 1


def test_readers_do_not_hide_that_they_may_not_read(broker_url: str) -> None:
    with redis.Redis.from_url(broker_url) as keys:
        keys.acl_setuser("blind", enabled=True, passwords=["+pw"], commands=["+time", "+ping"])
        url = f"redis://blind:pw@{broker_url.rpartition('@')[2]}"
        try:
            with connect_redis(url) as blind, pytest.raises(redis.exceptions.NoPermissionError):
                heartbeat.survey(blind)
        finally:
            keys.acl_deluser("blind")


def test_old_heartbeats_do_not_count_and_the_newest_of_a_process_does(broker_url: str) -> None:
    with redis.Redis.from_url(broker_url) as connection:
        heartbeat.send(connection, WorkerStatus.LOADING, "w")
        connection.zincrby(KEY, -5, f"loading {MACHINE} w")
        heartbeat.send(connection, WorkerStatus.SCORING, "w")
        assert heartbeat.recent(connection) == [MINE]
        for status in ("scoring", "loading"):
            connection.zincrby(KEY, -4 * MAX_AGE_S, f"{status} {MACHINE} w")
        assert heartbeat.recent(connection) == []


def test_the_heartbeats_of_processes_that_ended_are_forgotten(broker_url: str) -> None:
    with redis.Redis.from_url(broker_url) as connection:
        for name in ("a", "a b", "surrogate \udc80"):
            heartbeat.send(connection, WorkerStatus.OTHER, name)
        connection.lpush(SCORE_QUEUE, "x")
        heartbeat.forget(connection, ["a", "surrogate \udc80"])
        assert [beat.name for beat in heartbeat.recent(connection)] == ["a b"]
        assert connection.hlen(CLOCKS_KEY) == 1
