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

from plumbline_client import statements
from plumbline_client.backlog import Backlog, OnFull
from plumbline_client.broker import Publisher
from plumbline_client.database import Connection, Database
from plumbline_client.defaults import MAX_BACKLOG, MAX_TEXT_CHARS, MESSAGE_SIZE, SOURCE
from plumbline_client.errors import BrokerUnavailable, JobUnknown, SourceInvalid, StorageError
from plumbline_client.identity import LONGEST_SOURCE, invalid_reason
from plumbline_client.new_job import NewJob, new_job, to_document
from plumbline_client.pause import pause
from plumbline_client.results import Result, ResultFilter
from plumbline_client.services import services_from_environment
from plumbline_client.states import TERMINAL, JobState
from plumbline_client.text import storable_error

POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Submission:
    """A text to score. Submitting the same `key` again returns the same job and changes nothing.

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
    """

    job_id: uuid.UUID
    state: JobState
    error: str | None
    new: bool
    published: bool


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

    Up to ten threads use PostgreSQL at the same time; others wait. A Redis URL that cannot be
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

        While the backlog is full, the call waits, for at most `timeout_s`; with on_full="refuse" it
        does not wait. It then raises BacklogFull, and nothing was accepted.
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
            self._backlog.wait_for_capacity(on_full, timeout_s, on_wait)
            yield from self._accept(jobs)

    def cancel(self, job_id: uuid.UUID, *, reason: str = "cancelled by its client") -> Cancellation:
        """End a queued job as `cancelled`; a job that is being scored or has ended is unchanged.

        The key of a cancelled job stays used. Raises JobUnknown if the job does not exist.
        """
        with self._database.connection() as connection:
            parameters = {"ids": [job_id], "reason": storable_error(reason)}
            cancelled = connection.execute(statements.CANCEL, parameters).fetchone() is not None
            states = _states(connection, [job_id])
        if job_id not in states:
            raise JobUnknown(f"There is no job {job_id}.")
        return Cancellation(job_id, cancelled, *states[job_id])

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
        with self._database.connection() as connection:
            rows = connection.execute(statements.FIND_RESULTS, conditions.parameters(limit))
            return [Result.from_row(row) for row in rows]

    def result(self, job_id: uuid.UUID) -> Result | None:
        results = self.results(ids=[job_id], limit=1)
        return results[0] if results else None

    def wait(self, ids: Sequence[uuid.UUID], timeout_s: float = 60.0) -> list[Result]:
        """Return the results in the order of `ids` once every job has ended.

        Raises TimeoutError with the number of jobs that have not ended.
        """
        deadline = time.monotonic() + timeout_s
        open_ids = ids
        while open_ids := self._not_ended(open_ids):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(open_ids)} of {len(ids)} jobs are not done yet.")
            pause(POLL_S)
        results = {result.job_id: result for result in self.results(ids=ids, limit=None)}
        return [results[job_id] for job_id in ids]

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
        ids = [job.id for job in jobs]
        with self._database.connection() as connection:
            rows = connection.execute(statements.ACCEPT, {"jobs": to_document(jobs)})
            new = {row.id for row in rows}
            states = {job.id: _initial_state(job) for job in jobs}
            # Usually every job is new, and this round trip is not needed.
            if known := [job_id for job_id in ids if job_id not in new]:
                states |= _states(connection, known)
        queued = [i for i in dict.fromkeys(ids) if i in new and states[i][0] is JobState.QUEUED]
        self._backlog.add(len(queued))
        published = self._publish(queued)
        for job_id in ids:
            state, error = states[job_id]
            # If one call contains a key twice, only its first receipt is new.
            is_new = job_id in new
            new.discard(job_id)
            yield Receipt(job_id, state, error, is_new, published or not is_new)

    def _publish(self, ids: Sequence[uuid.UUID]) -> bool:
        if not ids:
            return True
        try:
            self._publisher.wake(ids)
        except BrokerUnavailable:
            # The jobs are accepted in any case. Without this mark the sweeper finds them later.
            with suppress(StorageError), self._database.connection() as connection:
                connection.execute(statements.UNPUBLISH, {"ids": list(ids)})
            return False
        return True

    def _count_queued(self, limit: int) -> int:
        with self._database.connection() as connection:
            row = connection.execute(statements.COUNT_QUEUED, {"limit": limit}).fetchone()
        assert row is not None, "an aggregate always returns one row"
        return int(row[0])

    def _not_ended(self, ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
        with self._database.connection() as connection:
            states = _states(connection, ids)
        return [i for i in ids if i not in states or states[i][0] not in TERMINAL]


def _initial_state(job: NewJob) -> tuple[JobState, str | None]:
    return (JobState.QUEUED if job.error is None else JobState.REJECTED), job.error


def _states(
    connection: Connection, ids: Sequence[uuid.UUID]
) -> dict[uuid.UUID, tuple[JobState, str | None]]:
    """Return state and error of each job that the ledger has."""
    rows = connection.execute(statements.STATES, {"ids": list(ids)})
    return {row.id: (JobState(row.state), row.error) for row in rows}
