import uuid

from plumbline_client.queues import (
    BULK_QUEUE,
    EXPRESS_MAX_BYTES,
    SCORE_QUEUE,
    SUSPECT_QUEUE,
    lane,
    lane_of,
)
from plumbline_client.wake_ups import QueuedJob, WakeUp, alone, group, suspects


def job(number: int, source: str = "a", size: int = 10) -> QueuedJob:
    return QueuedJob(uuid.UUID(int=number), source, size)


def numbers(wake_ups: list[WakeUp]) -> list[list[int]]:
    return [[identity.int for identity in wake.ids] for wake in wake_ups]


def test_no_messages_for_no_jobs() -> None:
    assert group([], 64) == alone([]) == suspects([]) == []


def test_jobs_share_messages_of_the_given_size_with_those_of_their_lane() -> None:
    jobs = [job(1), job(2, "b"), job(3), job(4), job(5, "b")]
    wake_ups = group(jobs, 2)
    assert numbers(wake_ups) == [[1, 3], [4], [2, 5]]
    assert [wake.list_name for wake in wake_ups] == [
        lane(SCORE_QUEUE, lane_of(source)) for source in ("a", "a", "b")
    ]


def test_a_long_text_travels_alone_and_short_ones_do_not_wait_for_it() -> None:
    wake_ups = group([job(1, size=EXPRESS_MAX_BYTES + 1), job(2), job(3)], 64)
    assert numbers(wake_ups) == [[2, 3], [1]]
    assert [wake.list_name for wake in wake_ups] == [
        lane(queue, lane_of("a")) for queue in (SCORE_QUEUE, BULK_QUEUE)
    ]


def test_many_short_texts_are_a_bulk_load() -> None:
    (wake,) = group([job(n) for n in range(64)], 64)
    assert wake.list_name == lane(BULK_QUEUE, lane_of("a"))


def test_suspects_travel_alone_behind_everything_else() -> None:
    wake_ups = suspects([job(1), job(2)])
    assert numbers(wake_ups) == [[1], [2]]
    assert {wake.list_name for wake in wake_ups} == {lane(SUSPECT_QUEUE, lane_of("a"))}


def test_a_job_that_is_alone_travels_by_its_length() -> None:
    wake_ups = alone([job(1), job(2, size=200_000)])
    assert [wake.list_name for wake in wake_ups] == [
        lane(queue, lane_of("a")) for queue in (SCORE_QUEUE, BULK_QUEUE)
    ]
