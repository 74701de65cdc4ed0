"""Whether the processes of `plumbline up` are ready: their heartbeats say so.

The heartbeats are read from the Redis to which texts are submitted, so a worker that reads another
Redis is never ready.
"""

from __future__ import annotations

from collections.abc import Iterable

from plumbline import heartbeat
from plumbline.embedded.celery_process import CeleryProcess
from plumbline.health import recent_heartbeats
from plumbline.heartbeat import WorkerStatus
from plumbline_client.broker import translate_redis_errors
from plumbline_client.errors import BrokerUnavailable


def forget_heartbeats(broker_url: str, processes: Iterable[CeleryProcess]) -> None:
    """Delete what processes of the same names sent before, in a run that was killed.

    A process id, which is part of the names, is used again soon in a container.
    Raises BrokerUnavailable.
    """
    names = {heartbeat_name(process) for process in processes}
    with translate_redis_errors(broker_url), heartbeat.connect(broker_url) as connection:
        heartbeat.forget(connection, names)


def unready(broker_url: str, processes: Iterable[CeleryProcess]) -> list[CeleryProcess]:
    """Return the processes that have sent no heartbeat, or have not loaded their model yet."""
    try:
        heartbeats = recent_heartbeats(broker_url)
    except BrokerUnavailable:
        # The processes wait for Redis as well.
        return list(processes)
    ready = {
        sender.name
        for sender in heartbeats
        if sender.machine == heartbeat.machine_name() and sender.status is not WorkerStatus.LOADING
    }
    return [process for process in processes if heartbeat_name(process) not in ready]


def heartbeat_name(process: CeleryProcess) -> str:
    return process.node or heartbeat.BEAT
