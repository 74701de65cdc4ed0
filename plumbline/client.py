"""The Python door. A text is accepted when it is in the ledger; then its wake-up is published."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from types import TracebackType
from typing import Any

from plumbline.backlog import Backlog, OnFull
from plumbline.errors import BrokerUnavailable, JobUnknown, SourceInvalid
from plumbline.intake import new_job
from plumbline.publisher import Publisher
from plumbline.services import connected
from plumbline.settings import Settings
from storage.database import clear_errors, connect
from storage.direct import direct
from storage.errors import StorageError
from storage.jobs import ledger, outbox, results
from storage.jobs.identity import LONGEST_SOURCE, fault
from storage.jobs.ledger import NewJob
from storage.jobs.results import Result
from storage.states import TERMINAL, JobState

POLL_S = 0.1
# To PostgreSQL, each made when first needed and kept.
CONNECTIONS = 10


@dataclass(frozen=True, slots=True)
class Submission:
    """A text to score. With a `key`, sending it again is the same job and changes nothing."""

    text: str
    key: str | None = None
    deadline: datetime | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a submission.

    `state` is `rejected`, with `error` saying why, for a text that cannot be scored. `new` is False
    where the key was known already. `published` is False where Redis was away: the job is accepted
    all the same, and the sweeper will publish it.
    """

    job_id: uuid.UUID
    state: JobState
    error: str | None
    new: bool
    published: bool


@dataclass(frozen=True, slots=True)
class Cancellation:
    """What became of the wish to cancel a job; it is in `state` now, with the `error` of its row.

    `cancelled` is False where it was being scored or had ended, and nothing was changed.
    """

    job_id: uuid.UUID
    cancelled: bool
    state: JobState
    error: str | None


class Client:
    """Submits texts and reads results. One client may be shared by threads, not by forks.

    Ten threads may speak to PostgreSQL at the same moment; more wait for these. A Redis URL that
    nobody can read raises `BrokerUnavailable` at once, where a Redis that is away raises nothing.
    Raises `storage.errors.DatabaseUnavailable` where PostgreSQL is away. Where it went away during
    the call, its texts may have been accepted all the same; with keys, submitting them again is the
    same jobs.
    """

    def __init__(
        self,
        database_url: str,
        broker_url: str,
        *,
        source: str | None = None,
        settings: Settings | None = None,
    ) -> None:
        self._settings = settings or Settings.read()
        self._source = source or self._settings.source
        self._engine = connect(database_url, CONNECTIONS, autocommit=True)
        self._publisher = Publisher(broker_url)
        self._backlog = Backlog(self._count_waiting, self._settings.max_backlog)

    @classmethod
    def from_settings(cls, settings: Settings | None = None) -> Client:
        """A client for PLUMBLINE_DATABASE_URL and PLUMBLINE_BROKER_URL, else for `plumbline up`.

        Raises ServicesMissing where neither is there.
        """
        settings = connected(settings or Settings.read())
        assert settings.database_url is not None and settings.broker_url is not None
        return cls(
            settings.database_url.get_secret_value(),
            settings.broker_url.get_secret_value(),
            settings=settings,
        )

    def submit(
        self,
        text: str,
        *,
        key: str | None = None,
        source: str | None = None,
        deadline: datetime | None = None,
        on_full: OnFull | str = OnFull.WAIT,
        timeout_s: float | None = None,
    ) -> Receipt:
        """Accept one text, durably, and wake a worker for it.

        While PLUMBLINE_MAX_BACKLOG texts wait already, it waits too, at most `timeout_s`, or with
        on_full="refuse" not at all; then it raises BacklogFull, and nothing was accepted.
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
        """Accept texts as they come, a transaction and a message each `message_size` of them.

        An iterator: nothing is submitted until it is read, and what was read is accepted. `on_full`
        and `timeout_s` as in `submit`, for each message anew; a text without a receipt was not
        accepted. `on_wait` is told how many texts wait, each time room is looked for in vain.
        """
        on_full = OnFull(on_full)
        source = source if source is not None else self._source
        if wrong := fault(source, LONGEST_SOURCE):
            raise SourceInvalid(f"The source {wrong}.")
        stream = iter(texts)
        while chunk := list(islice(stream, self._settings.message_size)):
            jobs = [self._job(entry, source) for entry in chunk]
            self._backlog.make_way(on_full, timeout_s, on_wait)
            yield from self._accept(jobs)

    def cancel(self, job_id: uuid.UUID, *, reason: str = "cancelled by its client") -> Cancellation:
        """End a job that still waits as `cancelled`; one that is scored now or has ended stays so.

        The key of a cancelled job stays used. Raises JobUnknown where there is no such job.
        """
        with clear_errors(self._engine), self._engine.begin() as connection:
            cancelled = ledger.cancel(connection, [job_id], reason)
            known = ledger.states(connection, [job_id])
        if job_id not in known:
            raise JobUnknown(f"There is no job {job_id}.")
        return Cancellation(job_id, job_id in cancelled, *known[job_id])

    def results(
        self, *, ids: Sequence[uuid.UUID] | None = None, limit: int | None = 100, **conditions: Any
    ) -> list[Result]:
        """The newest jobs first; conditions as in `storage.jobs.results.find`."""
        with clear_errors(self._engine), self._engine.connect() as connection:
            return results.find(connection, ids=ids, limit=limit, **conditions)

    def result(self, job_id: uuid.UUID) -> Result | None:
        found = self.results(ids=[job_id], limit=1)
        return found[0] if found else None

    def wait(self, ids: Sequence[uuid.UUID], timeout_s: float = 60.0) -> list[Result]:
        """Return the results in the order of `ids` once every job has ended.

        Raises TimeoutError saying how many are still open.
        """
        deadline = time.monotonic() + timeout_s
        open_ids = ids
        while open_ids := self._still_open(open_ids):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(open_ids)} of {len(ids)} jobs are not done yet.")
            time.sleep(POLL_S)
        found = {result.job_id: result for result in self.results(ids=ids, limit=None)}
        return [found[job_id] for job_id in ids]

    def close(self) -> None:
        self._publisher.close()
        self._engine.dispose()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _job(self, entry: str | Submission, source: str) -> NewJob:
        given = entry if isinstance(entry, Submission) else Submission(entry)
        return new_job(
            given.text,
            source=source,
            max_chars=self._settings.max_text_chars,
            key=given.key,
            deadline=given.deadline,
        )

    def _accept(self, jobs: Sequence[NewJob]) -> Iterator[Receipt]:
        ids = [job.id for job in jobs]
        with clear_errors(self._engine), direct(self._engine) as run:
            new = ledger.accept(run, jobs)
            known = {job.id: _first_state(job) for job in jobs}
            # One question less where all are new, as they nearly always are.
            if older := [job_id for job_id in ids if job_id not in new]:
                known |= ledger.states(run, older)
        fresh = [i for i in dict.fromkeys(ids) if i in new and _waits(known, i)]
        self._backlog.add(len(fresh))
        published = self._publish(fresh)
        for job_id in ids:
            state, error = known[job_id]
            # A key that comes twice in one call is new once.
            is_new = job_id in new
            new.discard(job_id)
            yield Receipt(job_id, state, error, is_new, published or not is_new)

    def _publish(self, ids: Sequence[uuid.UUID]) -> bool:
        if not ids:
            return True
        try:
            self._publisher.wake(ids)
        except BrokerUnavailable:
            # They are accepted whatever happens now; unmarked, they only wait a little longer.
            with (
                suppress(StorageError),
                clear_errors(self._engine),
                self._engine.begin() as connection,
            ):
                ledger.unpublish(connection, ids)
            return False
        return True

    def _count_waiting(self, most: int) -> int:
        with clear_errors(self._engine), self._engine.connect() as connection:
            return outbox.waiting(connection, most)

    def _still_open(self, ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
        with clear_errors(self._engine), self._engine.connect() as connection:
            found = ledger.states(connection, ids)
        return [i for i in ids if i not in found or found[i][0] not in TERMINAL]


def _first_state(job: NewJob) -> tuple[JobState, str | None]:
    return (JobState.QUEUED if job.error is None else JobState.REJECTED), job.error


def _waits(known: dict[uuid.UUID, tuple[JobState, str | None]], job_id: uuid.UUID) -> bool:
    return known[job_id][0] is JobState.QUEUED
