"""Sends each periodic task when it is due, without ever reading the time of day."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from time import monotonic

import redis
from sqlalchemy import Engine

from plumbline_client.broker import connect_redis, translate_redis_errors
from plumbline_client.deadline import time_limit
from plumbline_client.errors import BrokerUnavailable, DatabaseRefused, StorageError
from plumbline_client.services import Services
from storage import periodic_tasks
from storage.database import connect, translate_errors
from worker.broker.refusal import Refusals
from worker.periodic import PeriodicTask, send_unless_waiting
from worker.timetable import Timetable

log = logging.getLogger(__name__)
READ_LIMIT_S = 10.0


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
        self._scheduling = Refusals(log, "no periodic task is sent")
        self._sending = Refusals(log, "periodic tasks are not sent")

    def send_due(self) -> float:
        """Send what is due; return the seconds until something is due again."""
        if self._timetable is None:
            try:
                self._timetable = self._read_timetable()
            except StorageError as error:
                return self._scheduling.add(str(error))
        self._send_all(self._timetable, self._timetable.due(self._clock()))
        return self._timetable.wait_s(self._clock())

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
        if self._redis is not None:
            self._redis.close()

    def _read_timetable(self) -> Timetable:
        """Raises StorageError if PostgreSQL is unavailable.

        Without PostgreSQL no periodic task can run, so nothing is lost by waiting for it. Tables of
        an earlier release have no ages; every task is then due after a whole interval.
        """
        intervals = {task.name: task.every_s for task in self._tasks.values()}
        self._engine = self._engine or connect(self._services.database_url, pool_size=1)
        try:
            with (
                time_limit(READ_LIMIT_S),
                translate_errors(self._engine),
                self._engine.begin() as connection,
            ):
                ages = periodic_tasks.schedule(connection, intervals)
        except DatabaseRefused as error:
            log.warning("every periodic task waits for one interval: %s", error)
            ages = {}
        # The connection is not needed again.
        self._engine.dispose()
        self._scheduling.end()
        return Timetable(intervals, ages, self._clock())

    def _send_all(self, timetable: Timetable, names: Sequence[str]) -> None:
        """Send the tasks in order. What Redis did not accept, and what follows, waits."""
        for position, name in enumerate(names):
            try:
                self._send(self._tasks[name])
            except BrokerUnavailable as error:
                pause_s = self._sending.add(str(error))
                for waiting in names[position:]:
                    timetable.postpone(waiting, self._clock(), pause_s)
                return
            timetable.advance(name, self._clock())
        if names:
            self._sending.end()

    def _send(self, task: PeriodicTask) -> None:
        """Send a task, unless one waits already. Raises BrokerUnavailable."""
        with translate_redis_errors(self._services.broker_url):
            self._redis = self._redis or connect_redis(self._services.broker_url)
            try:
                sent = send_unless_waiting(self._redis, task)
            except redis.RedisError:
                # After a failover, the address may lead to another server.
                self._redis.connection_pool.disconnect()
                raise
        if sent:
            log.info("%s is sent", task.name)
        else:
            log.info("%s is not sent, because the last one is waiting in %s", task.name, task.queue)
