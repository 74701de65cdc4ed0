"""Is it alive, is it ready, does it get on? Three questions, cheap enough to ask every few seconds.

One round trip to Redis and one to PostgreSQL; no worker is asked to answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import redis

from plumbline import heartbeat
from plumbline.heartbeat import Heartbeat, WorkerStatus
from plumbline_client.errors import BrokerUnavailable, DatabaseRefused, StorageError

# A probe starts often, so SQLAlchemy and Celery are brought only where they are used.
if TYPE_CHECKING:
    from storage.reports.status import Progress


class Health(IntEnum):
    """The worst that is so; the number is the command's exit code.

    1 and 2 are those of a command that could not ask at all.
    """

    HEALTHY = 0
    NOT_LIVE = 3
    NOT_READY = 4
    STUCK = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """`reason` is one sentence; `signs` are those not older than `heartbeat.FRESH_S`."""

    health: Health
    reason: str
    signs: Sequence[Heartbeat] = ()

    @property
    def live(self) -> bool:
        return self.health is not Health.NOT_LIVE

    @property
    def ready(self) -> bool:
        return self.health in (Health.HEALTHY, Health.STUCK)


def examine(database_url: str, broker_url: str, stalled_after_s: float) -> Finding:
    """How the whole stands: servers, at least one worker with its model, beat, and progress."""
    try:
        told = ask_redis(broker_url)
        found = ask_postgres(database_url, stalled_after_s)
    except DatabaseRefused as error:
        return Finding(Health.NOT_READY, str(error))
    except (BrokerUnavailable, StorageError) as error:
        return Finding(Health.NOT_LIVE, str(error))
    return judge(told, found, stalled_after_s)


def examine_here(broker_url: str) -> Finding:
    """How the processes of this machine alone stand: for a probe that restarts one of them."""
    try:
        told = ask_redis(broker_url)
    except BrokerUnavailable as error:
        return Finding(Health.NOT_LIVE, str(error))
    return judge_here([sign for sign in told if sign.machine == heartbeat.machine()])


def ask_redis(broker_url: str) -> list[Heartbeat]:
    try:
        with heartbeat.connect(broker_url) as connection:
            return heartbeat.fresh(connection)
    except (redis.RedisError, OSError, ValueError):
        from plumbline_client.broker import translate_redis_errors

        with translate_redis_errors(broker_url):
            raise


def ask_postgres(database_url: str, within_s: float) -> Progress:
    from storage.database import connect, translate_errors
    from storage.reports.status import progress

    engine = connect(database_url, pool_size=1)
    try:
        with translate_errors(engine), engine.connect() as connection:
            return progress(connection, within_s)
    finally:
        engine.dispose()


def judge(told: Sequence[Heartbeat], found: Progress, stalled_after_s: float) -> Finding:
    """The first that is wrong, from the outside in."""
    able = {sign.able for sign in told}
    silent = f"has given a sign of life in the last {heartbeat.FRESH_S:g} s"
    if able.isdisjoint({WorkerStatus.SCORING, WorkerStatus.LOADING}):
        return Finding(Health.NOT_LIVE, f"No worker that scores texts {silent}.", told)
    if WorkerStatus.BEAT not in able:
        return Finding(Health.NOT_LIVE, f"No beat {silent}.", told)
    if WorkerStatus.SCORING not in able:
        return Finding(Health.NOT_READY, "No worker has its model loaded yet.", told)
    if found.waits and not found.scores:
        return Finding(
            Health.STUCK,
            f"Texts have waited for {stalled_after_s:g} s, and none was scored meanwhile.",
            told,
        )
    return Finding(Health.HEALTHY, "Alive, ready, and getting on.", told)


def judge_here(told: Sequence[Heartbeat]) -> Finding:
    if not told:
        return Finding(
            Health.NOT_LIVE,
            f"Nothing on {heartbeat.machine()} has given a sign of life in the last "
            f"{heartbeat.FRESH_S:g} s.",
        )
    if all(sign.able is WorkerStatus.LOADING for sign in told):
        return Finding(Health.NOT_READY, "No worker here has its model loaded yet.", told)
    return Finding(Health.HEALTHY, "Alive and ready.", told)
