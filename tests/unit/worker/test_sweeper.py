import uuid

from storage.jobs.sweep import SweepResult
from worker.sweeper import messages


def test_suspects_travel_alone_and_fresh_jobs_together() -> None:
    ids = [uuid.UUID(int=n) for n in range(7)]
    swept = SweepResult(expired=0, quarantined=0, fresh=ids[:5], suspects=ids[5:])
    assert messages(swept, size=2) == [ids[:2], ids[2:4], ids[4:5], [ids[5]], [ids[6]]]
