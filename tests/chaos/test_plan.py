from __future__ import annotations

from tests.chaos.plan import POISONS, JobKind, Plan, SubmissionPath, Target, Trouble, make_plan


def plan(seed: int) -> Plan:
    return make_plan(3_000, 30, seed, poisons=2, outage_s=20.0)


def submitted_numbers(plan: Plan) -> list[int]:
    return [job.number for batches in plan.batches.values() for jobs in batches for job in jobs]


def test_a_seed_determines_the_plan() -> None:
    assert plan(7) == plan(7)
    assert plan(7) != plan(8)


def test_every_path_target_and_kind_occurs() -> None:
    drawn = plan(1)
    assert {kill.target for kill in drawn.kills} == set(Target)
    assert [kill.down_s for kill in drawn.kills].count(20.0) == 2
    assert {disturbance.trouble for disturbance in drawn.disturbances} == set(Trouble)
    assert all(drawn.batches[path] for path in SubmissionPath)
    assert {job.kind for job in drawn.jobs} == set(JobKind)
    for mark in POISONS:
        assert sum(job.text.startswith(mark) for job in drawn.jobs) == 2


def test_every_job_is_submitted_and_some_are_submitted_twice() -> None:
    numbers = submitted_numbers(plan(1))
    assert set(numbers) == set(range(3_000))
    assert len(numbers) > 3_300


def test_job_that_is_submitted_twice_has_a_key() -> None:
    drawn = plan(1)
    keyless = [
        job.number
        for batches in drawn.batches.values()
        for jobs in batches
        for job in jobs
        if job.key is None
    ]
    numbers = submitted_numbers(drawn)
    assert keyless and all(numbers.count(number) == 1 for number in keyless)


def test_plan_can_be_limited_to_bare_messages() -> None:
    paths = [SubmissionPath.MESSAGE]
    drawn = make_plan(300, 3, 1, poisons=1, outage_s=1.0, paths=paths, batch_sizes=[1])
    assert list(drawn.batches) == paths
    assert {len(jobs) for jobs in drawn.batches[SubmissionPath.MESSAGE]} == {1}
    assert set(submitted_numbers(drawn)) == set(range(300))
