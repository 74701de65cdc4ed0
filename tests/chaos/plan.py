"""What is sent and what is killed, drawn from a seed before anything starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

from tests.poison import EXHAUST, HANG, SEGFAULT

SOURCE = "chaos"
POISONS = (SEGFAULT, EXHAUST, HANG)
WORDS = ("your", "parcel", "call", "now", "to", "claim", "a", "free", "prize", "see", "you", "at")
BATCH = 24
CLI_BATCH = 100
# From here to there in the share of jobs that have ended.
FIRST_KILL, LAST_KILL = 0.02, 0.90


class Door(StrEnum):
    CLIENT = "client, one by one"
    CLIENT_MANY = "client, many"
    CLI = "command line"
    SQL = "submit_v1"
    MESSAGE = "bare message"


class Kind(StrEnum):
    """NORMAL must be scored, POISON set aside; LATE comes after its deadline, SOON before."""

    NORMAL = "normal"
    POISON = "poison"
    LATE = "late"
    SOON = "soon"


class Target(StrEnum):
    WORKER = "worker"
    CHILD = "worker's child"
    BEAT = "beat"
    REDIS = "Redis"
    POSTGRES = "PostgreSQL"
    BACKEND = "PostgreSQL's backend"


@dataclass(frozen=True, slots=True)
class Job:
    """A text with its number in it, so that it is known whatever id it was given."""

    number: int
    kind: Kind
    text: str
    key: str | None


@dataclass(frozen=True, slots=True)
class Sending:
    door: Door
    jobs: Sequence[Job]


@dataclass(frozen=True, slots=True)
class Kill:
    """One SIGKILL, when `share` of the jobs have ended; a server comes back `down_s` later."""

    share: float
    target: Target
    down_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    jobs: Sequence[Job]
    sendings: dict[Door, list[Sending]] = field(default_factory=dict)
    kills: Sequence[Kill] = ()


def make_plan(count: int, kills: int, seed: int, *, poisons: int, outage_s: float) -> Plan:
    """Draw everything. `poisons` of each kind; one long outage each of Redis and PostgreSQL."""
    random = Random(seed)
    jobs = [_job(number, random) for number in range(count)]
    for mark in POISONS:
        for number in random.sample(range(count), poisons):
            jobs[number] = Job(number, Kind.POISON, f"{mark} #{number} ", f"job {number}")
    return Plan(jobs, _sendings(jobs, random), _kills(kills, random, outage_s))


def _job(number: int, random: Random) -> Job:
    kind = random.choices([Kind.NORMAL, Kind.LATE, Kind.SOON], [97, 2, 1])[0]
    words = random.choices(WORDS, k=random.choice([5, 12, 20, 60]))
    return Job(number, kind, f"#{number} " + " ".join(words), f"job {number}")


def _sendings(jobs: Sequence[Job], random: Random) -> dict[Door, list[Sending]]:
    """Every job through one door, every sixth through another one too (or the same again)."""
    by_door: dict[Door, list[Job]] = {door: [] for door in Door}
    for job in jobs:
        # The command line gives one deadline for a whole file.
        doors = [d for d in Door if d is not Door.CLI or job.kind in (Kind.NORMAL, Kind.POISON)]
        door = random.choice(doors)
        if random.random() < 1 / 6:
            by_door[random.choice(doors)].append(job)
        elif door is Door.MESSAGE and job.kind is Kind.NORMAL and random.random() < 0.5:
            job = Job(job.number, job.kind, job.text, None)
        by_door[door].append(job)
    return {door: list(_batched(door, found, random)) for door, found in by_door.items()}


def _batched(door: Door, jobs: Sequence[Job], random: Random) -> Iterator[Sending]:
    position = 0
    while position < len(jobs):
        if door is Door.CLI:
            size = CLI_BATCH
        elif door is Door.CLIENT:
            size = 1
        else:
            size = random.choice([1, 3, BATCH])
        yield Sending(door, jobs[position : position + size])
        position += size


def _kills(count: int, random: Random, outage_s: float) -> list[Kill]:
    """Every target in turn, in an order of chance, at shares evenly apart but for some chance."""
    turn = list(Target)
    targets = [turn[position % len(turn)] for position in range(count)]
    random.shuffle(targets)
    step = (LAST_KILL - FIRST_KILL) / max(count, 1)
    kills = []
    for position, target in enumerate(targets):
        share = FIRST_KILL + step * (position + random.random())
        down_s = 0.0
        if target in (Target.REDIS, Target.POSTGRES):
            first = target not in targets[:position]
            down_s = outage_s if first else random.choice([0.0, 0.5])
        kills.append(Kill(share, target, down_s))
    return kills
