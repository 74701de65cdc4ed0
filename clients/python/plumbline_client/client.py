"""The client. A text is accepted once it is in the ledger; then its wake-up is published."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from types import TracebackType
from typing import Any

from plumbline_client import statements
from plumbline_client.backlog import Backlog, OnFull
from plumbline_client.broker import Publisher
from plumbline_client.database import Connection, Database
from plumbline_client.deadline import remaining_s, time_limit
from plumbline_client.defaults import MAX_BACKLOG, MAX_TEXT_CHARS, MESSAGE_SIZE, SOURCE
from plumbline_client.errors import (
    DatabaseUnavailable,
    JobUnknown,
    SourceInvalid,
    StorageError,
)
from plumbline_client.identity import LONGEST_SOURCE, invalid_reason
from plumbline_client.new_job import NewJob, new_job, to_document
from plumbline_client.pause import pause
from plumbline_client.results import Result, ResultFilter
from plumbline_client.services import services_from_environment
from plumbline_client.states import TERMINAL, JobState
from plumbline_client.text import storable_error
from plumbline_client.wake_ups import QueuedJob, group

POLL_S = 0.1
# A character has up to six bytes in the document, and `submit_many_v1` accepts 256 MiB.
MAX_PART_CHARS = 16_000_000
# A filter without a limit may return millions of rows.
READ_LIMIT_S = 300.0
LAST_PART = 0.2
# Of the time that is left. The rest is for the mark of a wake-up that was not sent.
PUBLISHING_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Submission:
    """A text to score. Submitting it again with the same `key` returns the same job.

    With another text, the same `key` is a conflict, and nothing changes; see `Receipt`.

    A `deadline` that is a timedelta counts from the acceptance by PostgreSQL's clock, so that a
    wrong clock of this machine does not matter. A datetime needs a time zone.
    """

    text: str
    key: str | None = None
    deadline: datetime | timedelta | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome of a submission.

    `state` is `rejected`, with the reason in `error`, if the text cannot be scored. `new` is False
    if the key was known. `published` is False if Redis was unavailable: the job is accepted, and
    the sweeper will publish its wake-up.

    `conflict` is True if the key belongs to another text: this text was not accepted, as `error`
    states, and `job_id` and `state` are those of the other text.
    """

    job_id: uuid.UUID
    state: JobState
    error: str | None
    new: bool
    published: bool
    conflict: bool = False


@dataclass(frozen=True, slots=True)
class Cancellation:
    """The outcome of a cancellation, with the job's current `state` and `error`.

    `cancelled` is False if the job was being scored or had ended; then nothing changed.
    """

    job_id: uuid.UUID
    cancelled: bool
    state: JobState
    error: str | None


class Client:
    """Submits texts, cancels jobs and reads results. Threads may share a client; forks may not.

    Up to ten threads use PostgreSQL at the same time; others wait. No call waits for ever for a
    server that does not answer; see `submit`. A Redis URL that cannot be
    parsed raises `BrokerUnavailable` at once, whereas an unavailable Redis raises nothing. If
    PostgreSQL becomes unavailable during a call, the call raises `DatabaseUnavailable`, and its
    texts may or may not have been accepted; with keys, submitting them again is safe.
    """

    def __init__(
        self,
        database_url: str,
        broker_url: str,
        *,
        source: str = SOURCE,
        message_size: int = MESSAGE_SIZE,
        max_backlog: int = MAX_BACKLOG,
        max_text_chars: int = MAX_TEXT_CHARS,
    ) -> None:
        """`source` names the submitting service, and is part of a key's identity.

        `message_size` is the number of texts per message (1 to 1,000), `max_backlog` the number of
        queued texts at which `submit` waits or refuses, `max_text_chars` the length above which a
        text is rejected.
        """
        self._source = source
        self._message_size = message_size
        self._max_text_chars = max_text_chars
        self._database = Database(database_url)
        self._publisher = Publisher(broker_url)
        self._backlog = Backlog(self._count_queued, max_backlog)

    @classmethod
    def from_environment(cls) -> Client:
        """Return a client for PLUMBLINE_DATABASE_URL and PLUMBLINE_BROKER_URL.

        Without them it uses the servers of the `plumbline up` that runs in this folder, or in
        PLUMBLINE_STATE_DIR. PLUMBLINE_SOURCE, PLUMBLINE_MESSAGE_SIZE, PLUMBLINE_MAX_BACKLOG and
        PLUMBLINE_MAX_TEXT_CHARS set the other arguments. Raises ServicesMissing.
        """
        services = services_from_environment()
        return cls(
            services.database_url,
            services.broker_url,
            source=os.environ.get("PLUMBLINE_SOURCE") or SOURCE,
            message_size=int(os.environ.get("PLUMBLINE_MESSAGE_SIZE") or MESSAGE_SIZE),
            max_backlog=int(os.environ.get("PLUMBLINE_MAX_BACKLOG") or MAX_BACKLOG),
            max_text_chars=int(os.environ.get("PLUMBLINE_MAX_TEXT_CHARS") or MAX_TEXT_CHARS),
        )

    def submit(
        self,
        text: str,
        *,
        key: str | None = None,
        source: str | None = None,
        deadline: datetime | timedelta | None = None,
        on_full: OnFull | str = OnFull.WAIT,
        timeout_s: float | None = None,
    ) -> Receipt:
        """Accept one text durably and wake a worker.

        While the backlog is full, the call waits; with on_full="refuse" it does not wait. It then
        raises BacklogFull, and nothing was accepted.

        The whole call ends within `timeout_s` (at least 0.5 s): the wait for the backlog, for a
        connection, for PostgreSQL and for Redis. Without it, only the backlog is waited for without
        an end; PostgreSQL has 30 s and Redis 5 s per answer. If PostgreSQL does not answer in time,
        the call raises DatabaseUnavailable, and the text may or may not have been accepted. If
        Redis does not, `published` is False.
        """
        texts = [Submission(text, key, deadline)]
        return next(self.submit_many(texts, source=source, on_full=on_full, timeout_s=timeout_s))

    def submit_many(
        self,
        texts: Iterable[str | Submission],
        *,
        source: str | None = None,
        on_full: OnFull | str = OnFull.WAIT,
        timeout_s: float | None = None,
        on_wait: Callable[[int], None] | None = None,
    ) -> Iterator[Receipt]:
        """Accept texts as the iterator is consumed, `message_size` per transaction and message.

        Nothing is submitted before the iterator is read, and a text is accepted only once its
        receipt was returned. `on_full` and `timeout_s` are as in `submit` and apply to each
        message. `on_wait` is called with the number of queued texts whenever the backlog is full.
        """
        on_full = OnFull(on_full)
        source = source if source is not None else self._source
        if reason := invalid_reason(source, LONGEST_SOURCE):
            raise SourceInvalid(f"The source {reason}.")
        stream = iter(texts)
        while chunk := list(islice(stream, self._message_size)):
            jobs = [self._new_job(text, source) for text in chunk]
            with time_limit(timeout_s):
                self._backlog.wait_for_capacity(on_full, timeout_s, on_wait)
                receipts = list(self._accept(jobs))
            yield from receipts

    def cancel(self, job_id: uuid.UUID, *, reason: str = "cancelled by its client") -> Cancellation:
        """End a queued job as `cancelled`; a job that is being scored or has ended is unchanged.

        The key of a cancelled job stays used. Raises JobUnknown if the job does not exist.
        """
        with self._database.connection() as connection:
            parameters = {"id": job_id, "reason": storable_error(reason)}
            row = connection.execute(statements.CANCEL, parameters).fetchone()
        if row is None:
            raise JobUnknown(f"There is no job {job_id}.")
        return Cancellation(job_id, row.cancelled, JobState(row.state), row.error)

    def results(
        self,
        *,
        ids: Sequence[uuid.UUID] | None = None,
        source: str | None = None,
        state: JobState | str | None = None,
        decision: str | None = None,
        model: str | None = None,
        since: datetime | timedelta | None = None,
        until: datetime | timedelta | None = None,
        limit: int | None = 100,
    ) -> list[Result]:
        """Return the newest jobs that meet every condition, newest first.

        `since` and `until` (exclusive) refer to the time of acceptance; a timedelta is that long
        ago, by PostgreSQL's clock. A `limit` of None returns all.

        Without `ids` this needs the role `plumbline_reader`. With `ids` the role
        `plumbline_producer` is enough, for the jobs of its sources; their `text` is then None.
        """
        conditions = ResultFilter(
            ids=ids,
            source=source,
            state=state,
            decision=decision,
            model=model,
            since=since,
            until=until,
        )
        with self._database.connection(READ_LIMIT_S) as connection:
            statement = statements.FIND_RESULTS if ids is None else statements.RESULTS_BY_ID
            rows = connection.execute(statement, conditions.parameters(limit))
            return [Result.from_row(row) for row in rows]

    def result(self, job_id: uuid.UUID) -> Result | None:
        results = self.results(ids=[job_id], limit=1)
        return results[0] if results else None

    def wait(self, ids: Sequence[uuid.UUID], timeout_s: float = 60.0) -> list[Result]:
        """Return the results in the order of `ids` once every job has ended.

        Raises TimeoutError with the number of jobs that have not ended, and DatabaseUnavailable if
        PostgreSQL has not answered at all; both after `timeout_s` (at least 0.5 s).
        """
        with time_limit(timeout_s):
            self._wait_until_ended(ids, timeout_s)
            found = self.results(ids=ids, limit=None)
        results = {result.job_id: result for result in found}
        return [results[job_id] for job_id in ids]

    def _wait_until_ended(self, ids: Sequence[uuid.UUID], timeout_s: float) -> None:
        ends_at = time.monotonic() + timeout_s
        waiting: Sequence[uuid.UUID] | None = None
        while waiting is None or waiting:
            try:
                waiting = self._not_ended(ids if waiting is None else waiting)
            except DatabaseUnavailable:
                # Shortly before the end, the time was too short for the answer.
                if waiting is None or time.monotonic() < ends_at - LAST_PART * timeout_s:
                    raise
                ends_at = 0.0
            if waiting and time.monotonic() > ends_at:
                raise TimeoutError(f"{len(waiting)} of {len(ids)} jobs are not done yet.")
            if waiting:
                pause(POLL_S)

    def close(self) -> None:
        self._publisher.close()
        self._database.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _new_job(self, text: str | Submission, source: str) -> NewJob:
        submission = text if isinstance(text, Submission) else Submission(text)
        return new_job(
            submission.text,
            source=source,
            max_chars=self._max_text_chars,
            key=submission.key,
            deadline=submission.deadline,
        )

    def _accept(self, jobs: Sequence[NewJob]) -> Iterator[Receipt]:
        rows: list[Any] = []
        with self._database.connection() as connection:
            for part in _parts(jobs):
                rows += connection.execute(statements.SUBMIT, {"jobs": to_document(part)})
        sizes = {job.id: len((job.text or "").encode()) for job in jobs}
        queued = [
            QueuedJob(row.id, jobs[0].source, sizes.get(row.id, 0))
            for row in rows
            if row.new and row.state == JobState.QUEUED
        ]
        self._backlog.add(len(queued))
        published = self._publish(queued)
        for row in rows:
            yield Receipt(
                job_id=row.id,
                state=JobState(row.state),
                error=row.error,
                new=row.new,
                published=published or not row.new,
                conflict=row.conflict,
            )

    def _publish(self, jobs: Sequence[QueuedJob]) -> bool:
        left_s = remaining_s()
        with time_limit(None if left_s is None else PUBLISHING_SHARE * left_s):
            unsent = self._publisher.wake_all(group(jobs, self._message_size))
        if not unsent.ids:
            return True
        # The jobs are accepted in any case. Without this mark the sweeper finds them later.
        with suppress(StorageError), self._database.connection() as connection:
            connection.execute(statements.UNPUBLISH, {"ids": unsent.ids})
        return False

    def _count_queued(self, limit: int) -> int:
        with self._database.connection() as connection:
            row = connection.execute(statements.COUNT_QUEUED, {"limit": limit}).fetchone()
        assert row is not None, "an aggregate always returns one row"
        return int(row[0])

    def _not_ended(self, ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
        with self._database.connection() as connection:
            states = _states(connection, ids)
        return [i for i in ids if i not in states or states[i][0] not in TERMINAL]


def _parts(jobs: Sequence[NewJob]) -> Iterator[list[NewJob]]:
    """Yield the jobs in order, in parts that PostgreSQL takes in one statement."""
    part: list[NewJob] = []
    chars = 0
    for job in jobs:
        size = len(job.text or "")
        if part and chars + size > MAX_PART_CHARS:
            yield part
            part, chars = [], 0
        part.append(job)
        chars += size
    yield part


def _states(
    connection: Connection, ids: Sequence[uuid.UUID]
) -> dict[uuid.UUID, tuple[JobState, str | None]]:
    """Return state and error of each job that the ledger has."""
    rows = connection.execute(statements.STATES, {"ids": list(ids)})
    return {row.id: (JobState(row.state), row.error) for row in rows}
