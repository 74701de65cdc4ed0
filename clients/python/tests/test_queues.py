import pytest

from plumbline_client.queues import (
    BULK_QUEUE,
    EXPRESS_MAX_BYTES,
    EXPRESS_MAX_TEXTS,
    LANES,
    SCORE_QUEUE,
    SCORING_QUEUES,
    bell,
    bound_list,
    has_list,
    lane,
    lane_of,
    lanes,
    queue_for,
    queue_of,
    source_of,
    with_priorities,
)


def test_small_messages_travel_through_the_express_queue() -> None:
    assert queue_for(1) == queue_for(EXPRESS_MAX_TEXTS) == SCORE_QUEUE
    assert queue_for(EXPRESS_MAX_TEXTS + 1) == BULK_QUEUE


def test_one_long_text_is_a_bulk_load() -> None:
    assert queue_for(1, EXPRESS_MAX_BYTES) == SCORE_QUEUE
    assert queue_for(1, EXPRESS_MAX_BYTES + 1) == BULK_QUEUE


def test_a_source_has_one_lane_in_every_process() -> None:
    assert [lane_of(source) for source in ("default", "billing", "\udcff")] == [15, 10, 7]
    assert {lane_of(f"source {n}") for n in range(1_000)} == set(range(LANES))


@pytest.mark.parametrize("queue", SCORING_QUEUES)
def test_every_list_leads_back_to_its_queue(queue: str) -> None:
    lists = [queue, lane(queue, 15), bound_list(queue, "billing.eu"), bell(queue)]
    names = {part for name in (*lists, *lanes(queue)) for part in with_priorities(name)}
    assert {queue_of(name) for name in names} == {queue}


def test_the_own_list_of_a_source_names_it() -> None:
    assert source_of(bound_list(BULK_QUEUE, "billing")) == "billing"
    assert source_of(BULK_QUEUE) is None
    assert source_of(lane(BULK_QUEUE, 3)) is None


def test_a_list_holds_only_plain_names() -> None:
    assert has_list("a.B-9_c" * 14)
    assert not any(has_list(name) for name in ("", "a b", "a@b", "a#1", "\u00e9", "x\n", "x" * 101))
