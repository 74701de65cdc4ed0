"""The Python door. A text is accepted when it is in the ledger; then its wake-up is published."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from types import TracebackType
from typing import Any

from plumbline.errors import BrokerUnavailable, SourceInvalid
from plumbline.intake import new_job
from plumbline.publisher import Publisher
from plumbline.services import connected
from plumbline.settings import Settings
from storage import ledger, results
from storage.database import clear_errors, connect
from storage.errors import StorageError
from storage.identity import LONGEST_SOURCE, fault
from storage.ledger import NewJob
from storage.results import Result
from storage.states import TERMINAL, JobState

POLL_S = 0.1


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


class Client:
    """Submits texts and reads results. One client may be shared by threads, not by forks.

    Raises `storage.errors.DatabaseUnavailable` where PostgreSQL is away: then nothing was accepted
    by that call.
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
        self._engine = connect(database_url)
        self._publisher = Publisher(broker_url)

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
    ) -> Receipt:
        """Accept one text, durably, and wake a worker for it."""
        return next(self.submit_many([Submission(text, key, deadline)], source=source))

    def submit_many(
        self, texts: Iterable[str | Submission], *, source: str | None = None
    ) -> Iterator[Receipt]:
        """Accept texts as they come, a transaction and a message each `message_size` of them.

        An iterator: nothing is submitted until it is read, and what was read is accepted.
        """
        source = source if source is not None else self._source
        if wrong := fault(source, LONGEST_SOURCE):
            raise SourceInvalid(f"The source {wrong}.")
        stream = iter(texts)
        while chunk := list(islice(stream, self._settings.message_size)):
            jobs = [self._job(entry, source) for entry in chunk]
            yield from self._accept(jobs)

    def results(
        self, *, ids: Sequence[uuid.UUID] | None = None, limit: int | None = 100, **conditions: Any
    ) -> list[Result]:
        """The newest jobs first; conditions as in `storage.results.find`."""
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
        with clear_errors(self._engine), self._engine.begin() as connection:
            new = ledger.accept(connection, jobs)
            known = ledger.states(connection, ids)
        published = self._publish([i for i in dict.fromkeys(ids) if i in new and _waits(known, i)])
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

    def _still_open(self, ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
        with clear_errors(self._engine), self._engine.connect() as connection:
            found = ledger.states(connection, ids)
        return [i for i in ids if i not in found or found[i][0] not in TERMINAL]


def _waits(known: dict[uuid.UUID, tuple[JobState, str | None]], job_id: uuid.UUID) -> bool:
    return known[job_id][0] is JobState.QUEUED
