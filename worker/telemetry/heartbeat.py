"""Sends the heartbeats of this worker, or of beat, to Redis. `plumbline health` reads them."""

from __future__ import annotations

import logging
import threading
from typing import Any

import redis
from celery import bootsteps

from plumbline import heartbeat
from plumbline.heartbeat import WorkerStatus
from plumbline.queues import SCORING_QUEUES
from plumbline_client.broker import server_answer
from worker.broker.address import leads_to
from worker.broker.refusal import Refusals
from worker.celery import app, services
from worker.pool.process import IN_FLIGHT
from worker.telemetry.clock import ClockCheck

log = logging.getLogger(__name__)
CLOCK = ClockCheck()
FAILURES = Refusals(log, "the heartbeat could not be sent")


class HeartbeatStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Sends heartbeats from the worker's event loop, so that a worker that hangs sends none."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        if not leads_to(consumer.connection, services.broker_url):
            # A heartbeat would claim that the texts submitted there are scored.
            log.error("no heartbeats: this worker reads another Redis than PLUMBLINE_BROKER_URL")
            return
        connection = heartbeat.connect(services.broker_url)

        def send() -> None:
            _send(connection, worker_status(), consumer.hostname)

        send()
        self._timer = consumer.timer.call_repeatedly(heartbeat.INTERVAL_S, send)

    def stop(self, consumer: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def worker_status() -> WorkerStatus:
    if set(SCORING_QUEUES).isdisjoint(app.amqp.queues.consume_from):
        return WorkerStatus.OTHER
    return WorkerStatus.SCORING if IN_FLIGHT.any_alive() else WorkerStatus.LOADING


def start_beat_heartbeat() -> None:
    """Send heartbeats from a thread, because beat has no event loop."""
    connection = heartbeat.connect(services.broker_url)

    def run() -> None:
        pause = threading.Event()
        while not pause.wait(heartbeat.INTERVAL_S):
            _send(connection, WorkerStatus.BEAT, heartbeat.BEAT)

    _send(connection, WorkerStatus.BEAT, heartbeat.BEAT)
    threading.Thread(target=run, name="heartbeat", daemon=True).start()


def _send(connection: redis.Redis, status: WorkerStatus, name: str) -> None:
    try:
        CLOCK.observe(heartbeat.send(connection, status, name))
    except (redis.RedisError, OSError) as error:
        FAILURES.add(server_answer(error) or str(error))
        # After a failover, the address may lead to another server.
        connection.connection_pool.disconnect()
    else:
        FAILURES.end()


app.steps["consumer"].add(HeartbeatStep)
