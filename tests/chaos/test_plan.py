"""A run can be had again from its seed."""

from __future__ import annotations

from tests.chaos.plan import POISONS, Door, Kind, Plan, Target, make_plan


def plan(seed: int) -> Plan:
    return make_plan(3_000, 30, seed, poisons=2, outage_s=20.0)


def test_the_same_seed_gives_the_same_run() -> None:
    assert plan(7) == plan(7)
    assert plan(7) != plan(8)


def test_every_door_every_target_and_every_kind_occurs() -> None:
    made = plan(1)
    assert {kill.target for kill in made.kills} == set(Target)
    assert [kill.down_s for kill in made.kills].count(20.0) == 2
    assert all(made.sendings[door] for door in Door)
    assert {job.kind for job in made.jobs} == set(Kind)
    for mark in POISONS:
        assert sum(job.text.startswith(mark) for job in made.jobs) == 2


def test_every_job_is_sent_and_some_are_sent_twice() -> None:
    made = plan(1)
    sent = [job.number for of_door in made.sendings.values() for s in of_door for job in s.jobs]
    assert set(sent) == set(range(3_000))
    assert len(sent) > 3_300


def test_what_is_sent_twice_has_a_key() -> None:
    made = plan(1)
    numbers = [
        job.number
        for of_door in made.sendings.values()
        for sending in of_door
        for job in sending.jobs
        if job.key is None
    ]
    sent = [job.number for of_door in made.sendings.values() for s in of_door for job in s.jobs]
    assert numbers and all(sent.count(number) == 1 for number in numbers)
