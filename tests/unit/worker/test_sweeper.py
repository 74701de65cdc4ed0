import uuid

from plumbline.queues import BULK_QUEUE, SCORE_QUEUE, SUSPECT_QUEUE
from plumbline_client.queues import queue_of
from storage.jobs.due import DueJob
from storage.jobs.sweep import SweepResult
from worker.sweeper import wake_ups_for


def job(number: int, attempts: int = 0, blamed: bool = False, size: int = 10) -> DueJob:
    return DueJob(uuid.UUID(int=number), "a", size, attempts, blamed)


def test_fresh_jobs_share_messages_and_suspects_do_not() -> None:
    fresh = [job(n) for n in range(5)]
    interrupted = [job(5, 1), job(6, 1, size=100_000)]
    blamed = [job(7, 1, blamed=True), job(8, 2, blamed=True)]
    swept = SweepResult(jobs=[*blamed, *interrupted, *fresh], expired=0, quarantined=0)
    messages = wake_ups_for(swept, size=2)
    assert [[identity.int for identity in message.ids] for message in messages] == [
        *([0, 1], [2, 3], [4]),
        *([5], [6]),
        *([7], [8]),
    ]
    assert [queue_of(message.list_name) for message in messages] == [
        *[SCORE_QUEUE] * 3,
        *(SCORE_QUEUE, BULK_QUEUE),
        *[SUSPECT_QUEUE] * 2,
    ]
