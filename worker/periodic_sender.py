"""Sends each periodic task when it is due, without ever reading the time of day."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from time import monotonic

import redis
from sqlalchemy import Engine

from plumbline_client.broker import connect_redis, translate_redis_errors
from plumbline_client.errors import BrokerUnavailable, DatabaseRefused, StorageError
from plumbline_client.services import Services
from storage import periodic_tasks
from storage.database import connect, translate_errors
from worker.backoff import backoff_s
from worker.periodic import PeriodicTask, send_unless_waiting
from worker.timetable import Timetable

log = logging.getLogger(__name__)
# The longest pause before another attempt to reach a server.
LONGEST_PAUSE_S = 5.0


class PeriodicSender:
    """Asks PostgreSQL once how long ago each task began, and measures the intervals from there.

    `clock` returns seconds since some moment, and nobody can set it.
    """

    def __init__(
        self,
        tasks: Iterable[PeriodicTask],
        services: Services,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._tasks = {task.name: task for task in tasks}
        self._services = services
        self._clock = clock
        self._engine: Engine | None = None
        self._redis: redis.Redis | None = None
        self._timetable: Timetable | None = None
        self._failures = 0

    def send_due(self) -> float:
        """Send what is due; return the seconds until something is due again."""
        if self._timetable is None:
            self._timetable = self._read_timetable()
        if self._timetable is None:
            return self._pause_s()
        for name in self._timetable.due(self._clock()):
            if self._send(self._tasks[name]):
                self._timetable.advance(name, self._clock())
            else:
                self._timetable.postpone(name, self._clock(), self._pause_s())
        return self._timetable.wait_s(self._clock())

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
        if self._redis is not None:
            self._redis.close()

    def _read_timetable(self) -> Timetable | None:
        """Return None if PostgreSQL is unavailable.

        Without PostgreSQL no periodic task can run, so nothing is lost by waiting for it. Tables of
        an earlier release have no ages; every task is then due after a whole interval.
        """
        intervals = {task.name: task.every_s for task in self._tasks.values()}
        self._engine = self._engine or connect(self._services.database_url, pool_size=1)
        try:
            with translate_errors(self._engine), self._engine.begin() as connection:
                ages = periodic_tasks.schedule(connection, intervals)
        except DatabaseRefused as error:
            log.warning("every periodic task waits for one interval: %s", error)
            ages = {}
        except StorageError as error:
            log.warning("no periodic task is sent: %s", error)
            return None
        # The connection is not needed again.
        self._engine.dispose()
        self._failures = 0
        return Timetable(intervals, ages, self._clock())

    def _send(self, task: PeriodicTask) -> bool:
        """Send a task, unless one waits already; return False if Redis did not accept it."""
        try:
            with translate_redis_errors(self._services.broker_url):
                self._redis = self._redis or connect_redis(self._services.broker_url)
                sent = send_unless_waiting(self._redis, task)
        except BrokerUnavailable as error:
            log.warning("%s is not sent: %s", task.name, error)
            if self._redis is not None:
                # After a failover, the address may lead to another server.
                self._redis.connection_pool.disconnect()
            return False
        self._failures = 0
        if sent:
            log.info("%s is sent", task.name)
        else:
            log.info("%s is not sent, because the last one is waiting in %s", task.name, task.queue)
        return True

    def _pause_s(self) -> float:
        pause_s = min(LONGEST_PAUSE_S, backoff_s(self._failures))
        self._failures += 1
        return pause_s
