"""Is the system live, is it ready, does it make progress? Cheap enough for a probe.

A check costs one round trip to Redis and one to PostgreSQL. It does not wait for any worker.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING

from plumbline import heartbeat
from plumbline.clocks import Clocks, clock_warnings
from plumbline.heartbeat import Heartbeat, Survey, WorkerStatus
from plumbline.queues import SWEEP_TASK, UPKEEP_QUEUE
from plumbline.redis_probe import open_probe
from plumbline_client.broker_answers import unreachable
from plumbline_client.deadline import call_within, remaining_s, time_limit
from plumbline_client.errors import (
    BrokerUnavailable,
    DatabaseNotReady,
    DatabaseRefused,
    DatabaseUnavailable,
    StorageError,
)
from plumbline_client.services import Services

# Probes start often, so psycopg is imported only by the check that needs it.
if TYPE_CHECKING:
    from storage.progress import Progress
    from storage.task_ages import PeriodicTaskAge

# Of all questions to both servers together.
TIMEOUT_S = 10.0
# Sweeps wait while every worker scores a long text, which takes seconds, not minutes.
MISSED_SWEEPS = 3
SWEEP_GRACE_S = 60.0
# For so long neither sweeps nor a lease may be overdue. While a new release replaces workers of an
# earlier one, which record no end of a sweep, a minute may pass without one.
STALLED_S = 300.0


class Health(IntEnum):
    """The result of a check. The number is the command's exit code.

    1 and 2 are the exit codes of a command that could not check anything.
    """

    HEALTHY = 0
    NOT_LIVE = 3
    NOT_READY = 4
    STUCK = 5


@dataclass(frozen=True, slots=True)
class HealthReport:
    """`reason` is one sentence. `heartbeats` are those that count (`heartbeat.MAX_AGE_S`).

    `warnings` are sentences about what does not stop the system. `clocks` is None if a server did
    not respond.
    """

    health: Health
    reason: str
    heartbeats: Sequence[Heartbeat] = ()
    warnings: Sequence[str] = ()
    clocks: Clocks | None = None
    periodic_tasks: Sequence[PeriodicTaskAge] = ()

    @property
    def live(self) -> bool:
        return self.health is not Health.NOT_LIVE

    @property
    def ready(self) -> bool:
        return self.health in (Health.HEALTHY, Health.STUCK)


def check(services: Services, stalled_after_s: float, timeout_s: float = TIMEOUT_S) -> HealthReport:
    """Check both servers, the heartbeats of workers and beat, and the progress of scoring.

    The report exists after `timeout_s` at the latest, whatever a server or the resolver does.
    """
    try:
        with time_limit(timeout_s):
            survey = _ask_redis(services.broker_url)
            progress = _ask_postgresql(services.database_url, stalled_after_s)
    except (DatabaseRefused, DatabaseNotReady) as error:
        return HealthReport(Health.NOT_READY, str(error))
    except (BrokerUnavailable, StorageError) as error:
        return HealthReport(Health.NOT_LIVE, str(error))
    clocks = Clocks.of(survey, progress.clock_ahead_s)
    return replace(
        assess(survey.heartbeats, progress, stalled_after_s),
        warnings=[*clock_warnings(survey, clocks), *sweep_warnings(progress.periodic_tasks)],
        clocks=clocks,
        periodic_tasks=progress.periodic_tasks,
    )


def check_this_machine(broker_url: str, timeout_s: float = TIMEOUT_S) -> HealthReport:
    """Check only the processes of this machine, for a probe that restarts one of them."""
    try:
        with time_limit(timeout_s):
            heartbeats = _ask_redis(broker_url).heartbeats
    except BrokerUnavailable as error:
        return HealthReport(Health.NOT_LIVE, str(error))
    return assess_this_machine(
        [sender for sender in heartbeats if sender.machine == heartbeat.machine_name()]
    )


def _ask_redis(url: str) -> Survey:
    limit_s = remaining_s(TIMEOUT_S)
    try:
        return call_within(limit_s, lambda: survey_heartbeats(url))
    except TimeoutError as error:
        raise unreachable(url, str(error)) from error


def _ask_postgresql(url: str, within_s: float) -> Progress:
    limit_s = remaining_s(TIMEOUT_S)
    try:
        return call_within(limit_s, lambda: recent_progress(url, within_s))
    except TimeoutError as error:
        from plumbline_client.urls import masked

        sentence = f"PostgreSQL at {masked(url)} cannot be reached: {error}."
        raise DatabaseUnavailable(sentence) from error


def recent_heartbeats(broker_url: str) -> Sequence[Heartbeat]:
    """Return the heartbeats that count. Raises BrokerUnavailable."""
    return survey_heartbeats(broker_url).heartbeats


def survey_heartbeats(broker_url: str) -> Survey:
    """Return the heartbeats that count, and the clocks. Raises BrokerUnavailable."""
    with open_probe(broker_url) as connection:
        return heartbeat.survey(connection)


def running_workers(broker_url: str) -> list[str]:
    """Return the node names of the workers that have sent a heartbeat. Raises BrokerUnavailable."""
    return sorted(
        sender.name
        for sender in recent_heartbeats(broker_url)
        if sender.status is not WorkerStatus.BEAT
    )


def recent_progress(database_url: str, within_s: float) -> Progress:
    """Return the progress of the last `within_s` seconds. Raises StorageError."""
    from plumbline_client.database import Database
    from storage.progress import PROBING, progress

    with closing(Database(database_url, PROBING)) as database, database.connection() as connection:
        return progress(connection, within_s)


def sweep_warnings(tasks: Sequence[PeriodicTaskAge]) -> Iterator[str]:
    """Yield a sentence if the last sweep began longer ago than a wait in the queue explains."""
    for task in tasks:
        if task.task == SWEEP_TASK and task.age_s > MISSED_SWEEPS * task.every_s + SWEEP_GRACE_S:
            yield (
                f"No sweep has begun for {task.age_s:,.0f} s, although one is due every "
                f"{task.every_s:g} s, so expired leases do not end; see the logs of beat and of "
                f"the workers of the queue {UPKEEP_QUEUE}."
            )


def assess(
    heartbeats: Sequence[Heartbeat], progress: Progress, stalled_after_s: float
) -> HealthReport:
    """Checks run top to bottom; the first failure is reported."""
    statuses = {sender.status for sender in heartbeats}
    silent = f"has sent a heartbeat in the last {heartbeat.MAX_AGE_S:g} s"
    if statuses.isdisjoint({WorkerStatus.SCORING, WorkerStatus.LOADING}):
        return HealthReport(Health.NOT_LIVE, f"No worker that scores texts {silent}.", heartbeats)
    if WorkerStatus.BEAT not in statuses:
        return HealthReport(Health.NOT_LIVE, f"No beat process {silent}.", heartbeats)
    if WorkerStatus.SCORING not in statuses:
        return HealthReport(Health.NOT_READY, "No worker has loaded its model yet.", heartbeats)
    if progress.queued_throughout and not progress.scored:
        return HealthReport(
            Health.STUCK,
            f"Texts have been queued for {stalled_after_s:g} s, and none was scored in that time.",
            heartbeats,
        )
    if stalled := next(stalled_upkeep(progress), None):
        return HealthReport(Health.STUCK, stalled, heartbeats)
    return HealthReport(Health.HEALTHY, "Live, ready and making progress.", heartbeats)


def stalled_upkeep(progress: Progress) -> Iterator[str]:
    """Yield a sentence if sweeps are skipped or fail, and one if they leave leases behind."""
    for task in progress.periodic_tasks:
        if task.task == SWEEP_TASK and task.is_stalled(STALLED_S):
            yield (
                f"No sweep has been completed for {task.since_completed_s:,.0f} s, so the texts of "
                "dead workers wait; see the logs of the workers of the queue "
                f"{UPKEEP_QUEUE}, and the sessions in pg_locks that hold a row of plumbline.locks."
            )
    leases = progress.overdue_leases
    if leases.oldest_s > STALLED_S:
        yield (
            f"{leases.leases:,} leases have expired, the first {leases.oldest_s:,.0f} s ago, and "
            "no sweep has ended them; see whose transaction holds rows of plumbline.jobs."
        )


def assess_this_machine(heartbeats: Sequence[Heartbeat]) -> HealthReport:
    """Assess the heartbeats of one machine; the first failure is reported."""
    if not heartbeats:
        return HealthReport(
            Health.NOT_LIVE,
            f"No process on {heartbeat.machine_name()} has sent a heartbeat in the last "
            f"{heartbeat.MAX_AGE_S:g} s.",
        )
    if all(sender.status is WorkerStatus.LOADING for sender in heartbeats):
        return HealthReport(
            Health.NOT_READY, "No worker on this machine has loaded its model yet.", heartbeats
        )
    return HealthReport(Health.HEALTHY, "Live and ready.", heartbeats)
