"""Periodic tasks: beat sends each at an interval, and a worker runs it if it did not just run.

No time travels in a message, because the clocks of two machines differ. Beat measures the intervals
with a clock that cannot be set, PostgreSQL knows when a task last began, and a queue holds at most
one message of each.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import redis
from celery import Task
from sqlalchemy import Engine

from plumbline.queues import KEY_PREFIX
from plumbline_client.message import celery_message
from storage import periodic_tasks

# The header with the interval. Messages that a person sends have none, and always run.
EVERY_HEADER = "plumbline_every_s"
LONGEST_INTERVAL_S = 1e9
# Nobody reads a queue with so many messages, so none is added, and the search for a message that
# waits stays short.
LONGEST_QUEUE = 1_000

# Searches for the id, because a message that was returned to the queue has been encoded anew.
_SEND_UNLESS_WAITING = """
if redis.call('LLEN', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
for _, waiting in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
    if string.find(waiting, ARGV[1], 1, true) then return 0 end
end
redis.call('LPUSH', KEYS[1], ARGV[2])
return 1
"""


@dataclass(frozen=True, slots=True)
class PeriodicTask:
    name: str
    every_s: float
    queue: str
    arguments: Mapping[str, Any]


def periodic_tasks_of(beat_schedule: Mapping[str, Any]) -> Iterator[PeriodicTask]:
    """Read Celery's setting `beat_schedule`, in which every schedule is a number of seconds."""
    for entry in beat_schedule.values():
        yield PeriodicTask(
            entry["task"], entry["schedule"], entry["options"]["queue"], entry.get("kwargs", {})
        )


def send_unless_waiting(connection: redis.Redis, task: PeriodicTask) -> bool:
    """Send a message, unless one of this task is waiting. Returns whether it was sent."""
    # The id marks the message as beat's: a request by a person does not replace it.
    mark = f"beat:{task.name}:"
    message = celery_message(
        task.name,
        dict(task.arguments),
        task.queue,
        f"{mark}{uuid.uuid4()}",
        headers={EVERY_HEADER: task.every_s},
    )
    key = KEY_PREFIX + task.queue
    return bool(connection.eval(_SEND_UNLESS_WAITING, 1, key, mark, message, LONGEST_QUEUE))


def begin(task: Task, engine: Engine) -> bool:
    """Return whether to run the task whose message is being processed.

    Returns False if beat sent the message and the task has just begun, here or elsewhere.
    """
    every_s = interval(task.request.get(EVERY_HEADER))
    if every_s is None:
        return True
    with engine.begin() as connection:
        return periodic_tasks.begin(connection, task.name, every_s)


def end(task: Task, engine: Engine) -> None:
    """Record that the run of a message of beat did all of its work."""
    if interval(task.request.get(EVERY_HEADER)) is not None:
        with engine.begin() as connection:
            periodic_tasks.end(connection, task.name)


def interval(header: object) -> float | None:
    """Return the interval in the header of a message; None if it has none that makes sense."""
    if isinstance(header, bool) or not isinstance(header, int | float):
        return None
    return float(header) if math.isfinite(header) and 0 < header <= LONGEST_INTERVAL_S else None
