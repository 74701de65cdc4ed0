"""Wake-ups that a child processes as one message, so that it asks the ledger once for all of them.

Most services submit single texts, each with a message that names one job. While such messages wait
in a long list, claiming and finishing them one by one takes longer than scoring their texts. What
is merged are only hints: the jobs are in the ledger, and each is claimed, scored and finished by
itself. In Redis every message stays a message, which is acknowledged or returned with the others.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import redis

from plumbline.messages import MessageRejected
from plumbline.queues import SCORE_QUEUE, SCORE_TASK
from plumbline_client.message import ALONE_HEADER, EMBEDDED, wake_up
from worker.broker import gate
from worker.broker.body import Body, decode
from worker.broker.gate import Admitted
from worker.broker.message_times import EXPIRES_HEADER, NOT_BEFORE_HEADER
from worker.broker.rejection import UNREADABLE
from worker.broker.unacknowledged import Taken, Unacknowledged

MOST = 16
# A score waits so long for those of the texts that it is merged with, or for one of a text that
# takes longer. A slow text waits for nothing.
LONGEST_S = 0.05
SLOW_S = 0.2
# Of a list, so many messages for each message that is merged are left to every process.
LEFT_PER_PROCESS = 4
# The weight of the latest message in the estimate for the next one.
LATEST = 0.25


class WakeUps:
    """Merges the wake-ups of one channel."""

    def __init__(self, unacknowledged: Unacknowledged, max_bytes: int) -> None:
        self._unacknowledged = unacknowledged
        self._max_bytes = max_bytes
        # Seconds per text by list, and the list and the number of texts by tag.
        self._estimates_s: dict[str, float] = {}
        self._running: dict[str, tuple[str, int]] = {}

    def merge(
        self, taken: Taken, message: Admitted, queue: str, processes: int
    ) -> tuple[Admitted, list[str]]:
        """Merge a message with those that follow it in a long list of wake-ups.

        Returns the message and the tags of the others, which are settled with it.
        """
        first = named_job(message) if queue == SCORE_QUEUE else None
        if first is None:
            return message, []
        jobs = self._take_more(taken, queue, processes)
        self._running[taken.tag] = taken.list_name, 1 + len(jobs)
        if jobs:
            message = with_jobs(message, [first, *jobs.values()])
        return message, list(jobs)

    def ended(self, tag: str, took_s: float) -> None:
        """Record how long a process took for a message; nothing if it was not only a wake-up."""
        list_name, texts = self._running.pop(tag, ("", 0))
        if texts and took_s > 0.0:
            text_s = took_s / texts
            known_s = self._estimates_s.get(list_name, text_s)
            self._estimates_s[list_name] = known_s + LATEST * (text_s - known_s)

    def most(self, list_name: str) -> int:
        """Return how many texts of a list are scored in `LONGEST_S`: at least two, if not slow.

        The time of a message that has one text is mostly that of its claim and its finish if the
        machine is busy, so only merging shows how little a text takes.
        """
        estimate_s = self._estimates_s.get(list_name, LONGEST_S)
        if estimate_s > SLOW_S:
            return 1
        return max(2, min(MOST, int(LONGEST_S / estimate_s)))

    def _take_more(self, taken: Taken, queue: str, processes: int) -> dict[str, str]:
        """Take wake-ups that follow; return the jobs that they name, by tag."""
        left = taken.left // (LEFT_PER_PROCESS * max(1, processes))
        count = min(self.most(taken.list_name) - 1, left)
        if count < 1:
            return {}
        jobs, others = {}, []
        # After an error the message that was taken is delivered alone, and the next turn meets the
        # error again. What was taken with it returns to its list as overdue.
        with suppress(redis.RedisError):
            for follower in self._unacknowledged.take_more(taken, count):
                if (job := self._named_job(follower, queue)) is not None:
                    jobs[follower.tag] = job
                else:
                    others.append(follower.tag)
            if others:
                self._unacknowledged.return_to_queues(others[::-1], read_next=True)
        return jobs

    def _named_job(self, follower: Taken, queue: str) -> str | None:
        try:
            return named_job(gate.admit(follower, queue, queue, self._max_bytes))
        except UNREADABLE:
            return None


def named_job(message: Admitted) -> str | None:
    """Return the one job that a message names; None if it does anything else.

    It is None as well for a message that was put back, and for one that must stay alone: its job
    was interrupted, and is claimed only by a message that names no other.

    Only messages as Plumbline's publishers write them are recognized, by their bytes: a body that a
    producer wrote is decoded in a child.
    """
    headers = message.headers
    if headers["task"] != SCORE_TASK or headers["retries"]:
        return None
    if {ALONE_HEADER, EXPIRES_HEADER, NOT_BEFORE_HEADER} & headers.keys():
        return None
    if len(message.body.content) > 2 * BODY_BYTES:
        return None
    try:
        body = decode(message.body)
        job = body.removeprefix(BEFORE).removesuffix(AFTER)
        if len(body) != BODY_BYTES or len(job) != len(NIL):
            return None
        return str(uuid.UUID(job.decode()))
    except (MessageRejected, ValueError):
        return None


def with_jobs(message: Admitted, jobs: Sequence[str]) -> Admitted:
    """Return the message with a body that names these jobs."""
    return replace(message, body=Body(body_naming(jobs), is_base64=False))


def body_naming(jobs: Sequence[str]) -> str:
    return json.dumps([[], wake_up([uuid.UUID(job) for job in jobs]), EMBEDDED])


NIL = str(uuid.UUID(int=0)).encode()
BEFORE, AFTER = body_naming([NIL.decode()]).encode().split(NIL)
BODY_BYTES = len(BEFORE) + len(NIL) + len(AFTER)
