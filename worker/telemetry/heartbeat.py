"""Says every few seconds in Redis that this worker, or beat, is there, for `plumbline health`."""

from __future__ import annotations

import logging
import threading
from typing import Any

import redis
from celery import bootsteps

from plumbline import heartbeat
from plumbline.heartbeat import WorkerStatus
from plumbline.queues import BULK_QUEUE, SCORE_QUEUE
from worker.celery import app, settings
from worker.pool.process import IN_FLIGHT

log = logging.getLogger(__name__)


class HeartbeatStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """A worker signs from its event loop, and while it is connected: one that hangs is told."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        connection = _connect()

        def sign() -> None:
            _sign(connection, able(), consumer.hostname)

        sign()
        self._timer = consumer.timer.call_repeatedly(heartbeat.INTERVAL_S, sign)

    def stop(self, consumer: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def able() -> WorkerStatus:
    if {SCORE_QUEUE, BULK_QUEUE}.isdisjoint(app.amqp.queues.consume_from):
        return WorkerStatus.OTHER
    return WorkerStatus.SCORING if IN_FLIGHT.any_alive() else WorkerStatus.LOADING


def start_beat_heartbeat() -> None:
    """Sign from a thread: beat has no loop of its own to do it in."""
    connection = _connect()

    def run() -> None:
        pause = threading.Event()
        while not pause.wait(heartbeat.INTERVAL_S):
            _sign(connection, WorkerStatus.BEAT, "beat")

    _sign(connection, WorkerStatus.BEAT, "beat")
    threading.Thread(target=run, name="sign of life", daemon=True).start()


def _connect() -> redis.Redis:
    assert settings.broker_url is not None
    return heartbeat.connect(settings.broker_url.get_secret_value())


def _sign(connection: redis.Redis, able: WorkerStatus, name: str) -> None:
    try:
        heartbeat.send(connection, able, name)
    except redis.RedisError as error:
        log.warning("no sign of life was given: %s", error)


app.steps["consumer"].add(HeartbeatStep)
