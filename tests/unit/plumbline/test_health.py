from __future__ import annotations

import pytest

from plumbline import heartbeat
from plumbline.health import Finding, Health, judge, judge_here
from plumbline.heartbeat import Heartbeat, WorkerStatus
from storage.reports.status import Progress

GETS_ON = Progress(waits=True, scores=True)
IDLE = Progress(waits=False, scores=False)
STANDS = Progress(waits=True, scores=False)


def told(*able: WorkerStatus) -> list[Heartbeat]:
    return [Heartbeat(one, "m", f"n{place}") for place, one in enumerate(able)]


@pytest.mark.parametrize(
    ("signs", "found", "health"),
    [
        (told(), IDLE, Health.NOT_LIVE),
        (told(WorkerStatus.BEAT, WorkerStatus.OTHER), IDLE, Health.NOT_LIVE),
        (told(WorkerStatus.SCORING), IDLE, Health.NOT_LIVE),
        (told(WorkerStatus.LOADING, WorkerStatus.BEAT), STANDS, Health.NOT_READY),
        (told(WorkerStatus.LOADING, WorkerStatus.SCORING, WorkerStatus.BEAT), IDLE, Health.HEALTHY),
        (told(WorkerStatus.SCORING, WorkerStatus.BEAT), GETS_ON, Health.HEALTHY),
        (told(WorkerStatus.SCORING, WorkerStatus.BEAT), STANDS, Health.STUCK),
    ],
)
def test_the_first_that_is_wrong_is_told(
    signs: list[Heartbeat], found: Progress, health: Health
) -> None:
    finding = judge(signs, found, 60.0)
    assert finding.health is health
    assert finding.reason.endswith(".")


def test_of_one_machine_only_its_own_processes_count() -> None:
    assert judge_here(told()).health is Health.NOT_LIVE
    assert heartbeat.machine() in judge_here(told()).reason
    assert judge_here(told(WorkerStatus.LOADING)).health is Health.NOT_READY
    for alone in (WorkerStatus.BEAT, WorkerStatus.OTHER, WorkerStatus.SCORING):
        assert judge_here(told(alone)).health is Health.HEALTHY


def test_what_is_stuck_is_alive_and_ready() -> None:
    stuck, loading = Finding(Health.STUCK, ""), Finding(Health.NOT_READY, "")
    assert stuck.live and stuck.ready
    assert loading.live and not loading.ready


def test_the_exit_codes_are_the_documented_ones() -> None:
    assert {health.name: int(health) for health in Health} == {
        "HEALTHY": 0, "NOT_LIVE": 3, "NOT_READY": 4, "STUCK": 5
    }  # fmt: skip
