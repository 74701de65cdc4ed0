"""Taking, acknowledging and returning messages in a real Redis."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plumbline.queues import KEY_PREFIX
from worker.broker.unacknowledged import LOST_AFTER_S, RENEW_S, Taken, Unacknowledged, is_own_tag

UNACKED, INDEX = KEY_PREFIX + "unacked", KEY_PREFIX + "unacked_index"
SEP = "\x06\x16"
LISTS = ["upkeep", "score", "upkeep" + SEP + "3", "score" + SEP + "3"]


@pytest.fixture
def keys(broker_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(broker_url) as connection:
        yield connection
        connection.config_set("maxmemory", "0")


@pytest.fixture
def messages(keys: redis.Redis) -> Unacknowledged:
    return Unacknowledged(keys, KEY_PREFIX, "unacked", "unacked_index")


def push(keys: redis.Redis, name: str, *bodies: bytes) -> None:
    keys.lpush(KEY_PREFIX + name, *bodies)


def queued(keys: redis.Redis, name: str) -> list[bytes]:
    """Return the messages of a list, the next one first."""
    return keys.lrange(KEY_PREFIX + name, 0, -1)[::-1]  # type: ignore[index]


def grow_older(keys: redis.Redis, tag: str, by_s: float) -> None:
    keys.zincrby(INDEX, -by_s, tag)


def take(messages: Unacknowledged) -> Taken:
    taken = messages.take(LISTS)
    assert taken is not None
    return taken


def test_lists_are_read_in_order_and_each_first_in_first_out(
    keys: redis.Redis, messages: Unacknowledged
) -> None:
    for name in reversed(LISTS):
        push(keys, name, f"{name} 1".encode(), f"{name} 2".encode())
    taken = [take(messages) for _ in range(8)]
    assert [each.message.decode() for each in taken] == [f"{n} {i}" for n in LISTS for i in (1, 2)]
    assert [each.list_name for each in taken] == [name for name in LISTS for _ in (1, 2)]
    assert messages.take(LISTS) is None


def test_a_taken_message_is_recorded_as_kombu_does(
    keys: redis.Redis, messages: Unacknowledged
) -> None:
    """A worker of an earlier release can return it."""
    push(keys, LISTS[3], b'{"n": 1}')
    taken = take(messages)
    assert is_own_tag(taken.tag)
    assert json.loads(keys.hget(UNACKED, taken.tag)) == [{"n": 1}, "", "score"]  # type: ignore[arg-type]
    now, _ = keys.time()  # type: ignore[misc]
    assert now - 60 < float(keys.zscore(INDEX, taken.tag)) <= now + 1  # type: ignore[arg-type]


def test_acknowledged_messages_leave_nothing(keys: redis.Redis, messages: Unacknowledged) -> None:
    push(keys, "score", b"1", b"2", b"3")
    first, second = take(messages), take(messages)
    third = messages.take(LISTS, [first.tag])
    assert third is not None and third.message == b"3"
    messages.acknowledge([second.tag, third.tag, "unknown@score"])
    assert keys.keys() == []


@pytest.mark.parametrize("full", [False, True])
def test_messages_return_to_either_end_of_their_list(
    keys: redis.Redis, messages: Unacknowledged, full: bool
) -> None:
    push(keys, LISTS[3], *(b"%d" % n for n in range(6)))
    taken = [take(messages) for _ in range(4)]
    keys.config_set("maxmemory", "1" if full else "0")
    tags = [each.tag for each in taken]
    assert messages.return_to_queues([tags[1], tags[0]], read_next=True) == 2
    assert messages.return_to_queues([tags[2]], read_next=False) == 1
    assert messages.return_to_queues([tags[0], tags[2]], read_next=True) == 0
    assert queued(keys, LISTS[3]) == [b"0", b"1", b"4", b"5", b"2"]
    assert keys.hkeys(UNACKED) == [tags[3].encode()]


def test_a_full_redis_gives_away_renews_and_forgets(
    keys: redis.Redis, messages: Unacknowledged
) -> None:
    push(keys, "score", b"1", b"2", b"3")
    old = take(messages)
    grow_older(keys, old.tag, LOST_AFTER_S + 1)
    keys.config_set("maxmemory", "1")
    with pytest.raises(redis.OutOfMemoryError):
        push(keys, "score", b"4")
    taken = take(messages)
    assert messages.renew([old.tag, taken.tag]) == []
    assert messages.take(LISTS, [old.tag, taken.tag]) is not None
    assert keys.hlen(UNACKED) == 1


def test_only_a_claim_that_nobody_renews_is_overdue(
    keys: redis.Redis, messages: Unacknowledged
) -> None:
    push(keys, "score", b"dead", b"held", b"fresh")
    dead, held, _ = (take(messages) for _ in range(3))
    for taken in (dead, held):
        grow_older(keys, taken.tag, LOST_AFTER_S + 5)
    (overdue,) = messages.renew([held.tag, "unknown@score"])
    assert overdue.tag == dead.tag and overdue.age_s >= LOST_AFTER_S + 5
    both = [dead.tag, held.tag]
    assert messages.return_to_queues(both, read_next=True, least_age_s=LOST_AFTER_S) == 1
    assert queued(keys, "score") == [b"dead"]
    assert keys.zcard(INDEX) == 2, "a renewal must not add an unknown tag"
    assert RENEW_S * 3 < LOST_AFTER_S


def test_a_claim_in_the_future_becomes_overdue_like_any_other(
    keys: redis.Redis, messages: Unacknowledged
) -> None:
    push(keys, "score", b"1")
    taken = take(messages)
    grow_older(keys, taken.tag, -3_600)
    assert messages.renew([]) == []
    grow_older(keys, taken.tag, LOST_AFTER_S + 1)
    assert [overdue.tag for overdue in messages.renew([])] == [taken.tag]


@pytest.mark.parametrize("key", [UNACKED, INDEX])
def test_a_message_that_cannot_be_recorded_stays_in_its_list(
    keys: redis.Redis, messages: Unacknowledged, key: str
) -> None:
    push(keys, "score", b"1", b"2")
    keys.set(key, "another type")
    with pytest.raises(redis.ResponseError, match=r"^WRONGTYPE"):
        messages.take(LISTS)
    assert queued(keys, "score") == [b"1", b"2"]
    keys.delete(key)
    assert take(messages).message == b"1"


def test_a_list_of_another_type_stops_neither_the_others_nor_a_return(
    keys: redis.Redis, messages: Unacknowledged
) -> None:
    push(keys, "upkeep", b"1")
    taken = take(messages)
    push(keys, "score", b"2")
    keys.set(KEY_PREFIX + "upkeep", "another type")
    assert take(messages).message == b"2"
    with pytest.raises(redis.ResponseError, match=r"^WRONGTYPE"):
        messages.take(LISTS)
    with pytest.raises(redis.ResponseError, match=r"^WRONGTYPE"):
        messages.return_to_queues([taken.tag], read_next=True)
    keys.delete(KEY_PREFIX + "upkeep")
    assert messages.return_to_queues([taken.tag], read_next=True) == 1


@pytest.mark.parametrize("setting", [{"min-replicas-to-write": "1"}])
def test_an_operation_that_redis_refuses_changes_nothing(
    keys: redis.Redis, messages: Unacknowledged, setting: dict[str, str]
) -> None:
    push(keys, "score", b"1", b"2")
    tag = take(messages).tag
    before = queued(keys, "score"), keys.hgetall(UNACKED), keys.zrange(INDEX, 0, -1)
    keys.config_set("min-replicas-to-write", 1)
    try:
        for operation in (
            lambda: messages.take(LISTS),
            lambda: messages.take(LISTS, [tag]),
            lambda: messages.acknowledge([tag]),
            lambda: messages.renew([tag]),
            lambda: messages.return_to_queues([tag], read_next=True),
            lambda: messages.replace(tag, keys.hget(UNACKED, tag), "score", "{}"),  # type: ignore[arg-type]
        ):
            with pytest.raises(redis.ResponseError, match=r"^NOREPLICAS"):
                operation()
        assert (queued(keys, "score"), keys.hgetall(UNACKED), keys.zrange(INDEX, 0, -1)) == before
    finally:
        keys.config_set("min-replicas-to-write", 0)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    body=st.binary(min_size=1, max_size=300),
    queue=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    priority=st.sampled_from(["", SEP + "3", SEP + "9"]),
)
def test_any_bytes_return_unchanged_to_a_list_of_any_name(
    keys: redis.Redis, messages: Unacknowledged, body: bytes, queue: str, priority: str
) -> None:
    name = queue + priority
    push(keys, name, body)
    taken = messages.take([name])
    assert taken is not None and taken.message == body
    assert messages.return_to_queues([taken.tag], read_next=True) == 1
    assert queued(keys, name) == [body]
    keys.delete(KEY_PREFIX + name)
    assert keys.keys() == []
