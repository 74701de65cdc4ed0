import json
import uuid
from collections.abc import Sequence
from typing import Any, cast

import pytest

from plumbline.cli import wait_for_jobs as module
from plumbline.cli.wait_for_jobs import wait_for_jobs
from plumbline_client import Result
from plumbline_client.states import JobState
from tests.results import result

IDS = [uuid.UUID(int=number) for number in range(3)]


class FakeClient:
    """A client whose jobs end one per poll, in the order of `IDS`."""

    def __init__(self) -> None:
        self.polls = 0

    def results(self, ids: Sequence[uuid.UUID], limit: int | None) -> list[Result]:
        self.polls += 1
        ended = {job_id: number < self.polls for number, job_id in enumerate(IDS)}
        return [
            result(job_id.int, state=JobState.SCORED if ended[job_id] else JobState.QUEUED)
            for job_id in ids
        ]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.0)


def wait(ids: list[uuid.UUID], as_json: bool) -> dict[str, int]:
    return wait_for_jobs(cast(Any, FakeClient()), ids, as_json)


def test_every_job_is_counted_once_by_its_decision(capsys: pytest.CaptureFixture[str]) -> None:
    assert wait([*reversed(IDS), IDS[0]], as_json=True) == {"negative": 3}
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["kind"] for line in lines] == ["result"] * 3
    assert [line["job_id"] for line in lines] == [str(job_id) for job_id in IDS]
