"""The plan of a run, drawn from a seed before anything starts: what is submitted and killed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import cycle, islice
from random import Random

from tests.poison import EXHAUST, HANG, SEGFAULT

SOURCE = "chaos"
POISONS = (SEGFAULT, EXHAUST, HANG)
WORDS = ("your", "parcel", "call", "now", "to", "claim", "a", "free", "prize", "see", "you", "at")
BATCH_SIZES = (1, 3, 24)
CLI_BATCH_SIZE = 100
# Shares of the jobs that have ended.
FIRST_KILL, LAST_KILL = 0.02, 0.90
# Each trouble occurs once, and once more per so many kills.
KILLS_PER_DISTURBANCE = 200


class SubmissionPath(StrEnum):
    CLIENT = "client, one by one"
    CLIENT_MANY = "client, many"
    CLI = "command line"
    SQL = "submit_v1"
    MESSAGE = "bare message"


class JobKind(StrEnum):
    """NORMAL jobs end as scored, POISON as quarantined, LATE (deadline has passed) as expired.

    SOON jobs have a deadline that passes soon, and end as either scored or expired.
    """

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
    """The text contains the number, which identifies the job under any id."""

    number: int
    kind: JobKind
    text: str
    key: str | None


@dataclass(frozen=True, slots=True)
class Kill:
    """One SIGKILL once `share` of the jobs have ended; a server starts again after `down_s`."""

    share: float
    target: Target
    down_s: float = 0.0


class Trouble(StrEnum):
    """What a server goes through during a disturbance.

    Redis answers writes with an error: as a replica, or with its memory full. PostgreSQL falls
    silent with every connection open, or a stranger holds advisory locks and floods its channel.
    """

    READONLY = "Redis answers READONLY"
    OOM = "Redis answers OOM"
    SILENT = "PostgreSQL is silent"
    STRANGER = "a stranger locks and notifies"

    @property
    def target(self) -> Target:
        in_redis = self in (Trouble.READONLY, Trouble.OOM)
        return Target.REDIS if in_redis else Target.POSTGRES


@dataclass(frozen=True, slots=True)
class Disturbance:
    """A trouble of `duration_s`, once `share` of the jobs have ended."""

    share: float
    trouble: Trouble
    duration_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    """`batches` are the jobs that are submitted together, per path in order of submission."""

    jobs: Sequence[Job]
    batches: dict[SubmissionPath, list[Sequence[Job]]] = field(default_factory=dict)
    kills: Sequence[Kill] = ()
    disturbances: Sequence[Disturbance] = ()


def make_plan(
    count: int,
    kills: int,
    seed: int,
    *,
    poisons: int,
    outage_s: float,
    paths: Sequence[SubmissionPath] = tuple(SubmissionPath),
    batch_sizes: Sequence[int] = BATCH_SIZES,
) -> Plan:
    """Draw a plan with `poisons` jobs of each poison and one long outage of each server.

    `outage_s` is also the duration of each disturbance. `paths` needs one that takes deadlines,
    which the command line does not. `batch_sizes` are those of the paths that take several texts.
    """
    random = Random(seed)
    jobs = [_draw_job(number, random) for number in range(count)]
    for mark in POISONS:
        for number in random.sample(range(count), poisons):
            jobs[number] = Job(number, JobKind.POISON, f"{mark} #{number} ", f"job {number}")
    return Plan(
        jobs,
        _draw_batches(jobs, random, paths, batch_sizes),
        _draw_kills(kills, random, outage_s),
        _draw_disturbances(1 + kills // KILLS_PER_DISTURBANCE, random, outage_s),
    )


def _draw_job(number: int, random: Random) -> Job:
    kind = random.choices([JobKind.NORMAL, JobKind.LATE, JobKind.SOON], [97, 2, 1])[0]
    words = random.choices(WORDS, k=random.choice([5, 12, 20, 60]))
    return Job(number, kind, f"#{number} " + " ".join(words), f"job {number}")


def _draw_batches(
    jobs: Sequence[Job],
    random: Random,
    all_paths: Sequence[SubmissionPath],
    batch_sizes: Sequence[int],
) -> dict[SubmissionPath, list[Sequence[Job]]]:
    """Submit every job through one path, and every sixth a second time through any path."""
    by_path: dict[SubmissionPath, list[Job]] = {path: [] for path in all_paths}
    for job in jobs:
        # The command line takes no deadline per text.
        without_deadline = job.kind in (JobKind.NORMAL, JobKind.POISON)
        paths = [p for p in all_paths if p is not SubmissionPath.CLI or without_deadline]
        path = random.choice(paths)
        if random.random() < 1 / 6:
            by_path[random.choice(paths)].append(job)
        elif (
            path is SubmissionPath.MESSAGE and job.kind is JobKind.NORMAL and random.random() < 0.5
        ):
            job = Job(job.number, job.kind, job.text, None)
        by_path[path].append(job)
    return {path: list(_split(path, group, random, batch_sizes)) for path, group in by_path.items()}


def _split(
    path: SubmissionPath, jobs: Sequence[Job], random: Random, batch_sizes: Sequence[int]
) -> Iterator[Sequence[Job]]:
    position = 0
    while position < len(jobs):
        if path is SubmissionPath.CLI:
            size = CLI_BATCH_SIZE
        elif path is SubmissionPath.CLIENT:
            size = 1
        else:
            size = random.choice(batch_sizes)
        yield jobs[position : position + size]
        position += size


def _draw_kills(count: int, random: Random, outage_s: float) -> list[Kill]:
    """Kill every target about equally often, in random order, at jittered regular shares."""
    targets = list(islice(cycle(Target), count))
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


def _draw_disturbances(count: int, random: Random, duration_s: float) -> list[Disturbance]:
    """Draw `count` disturbances of each trouble, in order of their shares."""
    troubles = [trouble for trouble in Trouble for _ in range(count)]
    shares = sorted(random.uniform(FIRST_KILL, LAST_KILL) for _ in troubles)
    random.shuffle(troubles)
    pairs = zip(shares, troubles, strict=True)
    return [Disturbance(share, trouble, duration_s) for share, trouble in pairs]
