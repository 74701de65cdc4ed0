import uuid

from storage.jobs.sweep import SweepResult
from worker.sweeper import group_into_messages


def test_fresh_jobs_share_messages_and_suspects_do_not() -> None:
    ids = [uuid.UUID(int=n) for n in range(7)]
    swept = SweepResult(expired=0, quarantined=0, fresh=ids[:5], suspects=ids[5:])
    messages = group_into_messages(swept, size=2)
    assert messages == [ids[:2], ids[2:4], ids[4:5], [ids[5]], [ids[6]]]
