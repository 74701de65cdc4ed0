"""Beat's scheduler, which never reads the time of day.

Celery's own keeps the time of the last run in a file. After the machine's clock was ahead once, it
sends nothing for as long as it was ahead. This one measures intervals with `time.monotonic`, and
asks PostgreSQL once, when it starts, how long ago each task began. It needs no file.
"""

from __future__ import annotations

import logging
from time import monotonic
from typing import Any

import redis
from celery import beat
from sqlalchemy import Engine

from plumbline_client.broker import connect_redis, translate_redis_errors
from plumbline_client.errors import BrokerUnavailable, DatabaseRefused, StorageError
from storage import periodic_tasks
from storage.database import connect, translate_errors
from worker.backoff import backoff_s
from worker.celery import services
from worker.periodic import PeriodicTask, periodic_tasks_of, send_unless_waiting
from worker.timetable import Timetable

log = logging.getLogger(__name__)
# The longest pause before another attempt to reach a server.
LONGEST_PAUSE_S = 5.0


class Scheduler(beat.Scheduler):  # type: ignore[misc]
    """Sends the tasks of the setting `beat_schedule`, each at a fixed rate."""

    _timetable: Timetable | None = None
    _engine: Engine | None = None
    _redis: redis.Redis | None = None
    _failures = 0

    def setup_schedule(self) -> None:
        self._tasks = {task.name: task for task in periodic_tasks_of(self.app.conf.beat_schedule)}

    def tick(self, *_: Any, **__: Any) -> float:
        """Send what is due; return the seconds until something is due again."""
        if self._timetable is None:
            self._timetable = self._read_timetable()
        if self._timetable is None:
            return self._pause_s()
        for name in self._timetable.due(monotonic()):
            if self._send(self._tasks[name]):
                self._timetable.advance(name, monotonic())
            else:
                self._timetable.postpone(name, monotonic(), self._pause_s())
        wait_s: float = min(self._timetable.wait_s(monotonic()), self.max_interval)
        return wait_s

    def close(self) -> None:
        """Close the connections. Celery calls this at a signal and once more at the end."""
        if self._engine is not None:
            self._engine.dispose()
        if self._redis is not None:
            self._redis.close()
        super().close()

    def _read_timetable(self) -> Timetable | None:
        """Ask PostgreSQL how long ago each task began; return None if it is unavailable.

        Without PostgreSQL no periodic task can run, so nothing is lost by waiting for it. Tables of
        an earlier release do not know; every task is then due after a whole interval.
        """
        intervals = {task.name: task.every_s for task in self._tasks.values()}
        self._engine = self._engine or connect(services.database_url, pool_size=1)
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
        return Timetable(intervals, ages, monotonic())

    def _send(self, task: PeriodicTask) -> bool:
        """Send a task, unless one waits already; return False if Redis did not accept it."""
        try:
            with translate_redis_errors(services.broker_url):
                self._redis = self._redis or connect_redis(services.broker_url)
                sent = send_unless_waiting(self._redis, task)
        except BrokerUnavailable as error:
            log.warning("%s is not sent: %s", task.name, error)
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
