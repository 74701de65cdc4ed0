from __future__ import annotations

from dataclasses import replace

import pytest

from plumbline import heartbeat
from plumbline.health import (
    Health,
    HealthReport,
    assess,
    assess_this_machine,
    sweep_warnings,
)
from plumbline.heartbeat import Heartbeat, WorkerStatus
from storage.jobs.overdue_leases import OverdueLeases
from storage.progress import Progress
from storage.task_ages import PeriodicTaskAge

PROGRESSING = Progress(queued_throughout=True, scored=True)
IDLE = Progress(queued_throughout=False, scored=False)
STALLED = Progress(queued_throughout=True, scored=False)


def heartbeats(*statuses: WorkerStatus) -> list[Heartbeat]:
    return [Heartbeat(status, "m", f"n{index}") for index, status in enumerate(statuses)]


@pytest.mark.parametrize(
    ("statuses", "progress", "health"),
    [
        ((), IDLE, Health.NOT_LIVE),
        ((WorkerStatus.BEAT, WorkerStatus.OTHER), IDLE, Health.NOT_LIVE),
        ((WorkerStatus.SCORING,), IDLE, Health.NOT_LIVE),
        ((WorkerStatus.LOADING, WorkerStatus.BEAT), STALLED, Health.NOT_READY),
        ((WorkerStatus.LOADING, WorkerStatus.SCORING, WorkerStatus.BEAT), IDLE, Health.HEALTHY),
        ((WorkerStatus.SCORING, WorkerStatus.BEAT), PROGRESSING, Health.HEALTHY),
        ((WorkerStatus.SCORING, WorkerStatus.BEAT), STALLED, Health.STUCK),
    ],
)
def test_the_first_failure_is_reported(
    statuses: tuple[WorkerStatus, ...], progress: Progress, health: Health
) -> None:
    report = assess(heartbeats(*statuses), progress, 60.0)
    assert report.health is health
    assert report.reason.endswith(".")


def test_one_machine_is_assessed_by_its_own_processes() -> None:
    silent = assess_this_machine([])
    assert silent.health is Health.NOT_LIVE
    assert heartbeat.machine_name() in silent.reason
    assert assess_this_machine(heartbeats(WorkerStatus.LOADING)).health is Health.NOT_READY
    for status in (WorkerStatus.BEAT, WorkerStatus.OTHER, WorkerStatus.SCORING):
        assert assess_this_machine(heartbeats(status)).health is Health.HEALTHY


def test_a_stuck_system_is_live_and_ready() -> None:
    stuck, loading = HealthReport(Health.STUCK, ""), HealthReport(Health.NOT_READY, "")
    assert stuck.live and stuck.ready
    assert loading.live and not loading.ready


def test_the_exit_codes_are_the_documented_ones() -> None:
    assert {health.name: int(health) for health in Health} == {
        "HEALTHY": 0, "NOT_LIVE": 3, "NOT_READY": 4, "STUCK": 5
    }  # fmt: skip


@pytest.mark.parametrize(
    ("age_s", "warned"), [(3.0, False), (70.0, False), (80.0, True), (-3_600.0, False)]
)
def test_missing_sweeps_are_a_warning(age_s: float, warned: bool) -> None:
    tasks = [
        PeriodicTaskAge("plumbline.drift", 5.0, 1e6),
        PeriodicTaskAge("plumbline.sweep", 5.0, age_s),
    ]
    sentences = list(sweep_warnings(tasks))
    assert len(sentences) == warned
    assert all(f"No sweep has begun for {age_s:.0f} s" in sentence for sentence in sentences)


@pytest.mark.parametrize(
    ("since_completed_s", "oldest_overdue_s", "health"),
    [
        (5.0, 0.0, Health.HEALTHY),
        (310.0, 290.0, Health.HEALTHY),
        (320.0, 0.0, Health.STUCK),
        (5.0, 310.0, Health.STUCK),
    ],
)
def test_a_system_without_sweeps_is_stuck(
    since_completed_s: float, oldest_overdue_s: float, health: Health
) -> None:
    progress = replace(
        IDLE,
        periodic_tasks=[
            PeriodicTaskAge("plumbline.drift", 5.0, 1e6, 1e6),
            PeriodicTaskAge("plumbline.sweep", 5.0, 1.0, since_completed_s),
        ],
        overdue_leases=OverdueLeases(7, oldest_overdue_s),
    )
    report = assess(heartbeats(WorkerStatus.SCORING, WorkerStatus.BEAT), progress, 60.0)
    assert report.health is health
    assert report.reason.endswith(".")
