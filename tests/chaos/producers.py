"""The producers: one thread per submission path.

Each submits again, under the same key, what was not acknowledged, as a careful producer does.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from celery import Celery

from plumbline_client import Client, Receipt, Submission
from plumbline_client.errors import StorageError
from plumbline_client.states import JobState
from tests.chaos.fleet import Fleet
from tests.chaos.plan import SOURCE, Job, JobKind, Plan, SubmissionPath
from tests.command import PLUMBLINE

RETRY_PAUSE_S = 0.1
SOON_S = 0.3
CLI_TIMEOUT_S = 120.0
MESSAGE_SIZE = 12


@dataclass
class Submitted:
    """The ids that the paths acknowledged, by job number, and the jobs sent as bare messages."""

    acknowledged: dict[int, set[uuid.UUID]] = field(default_factory=dict)
    sent: set[int] = field(default_factory=set)
    count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def jobs(self, plan: Plan) -> list[Job]:
        """Return the jobs of the plan that were submitted: all, unless the run was stopped."""
        submitted = self.sent | self.acknowledged.keys()
        return [job for job in plan.jobs if job.number in submitted]

    def add_acknowledged(self, job: Job, job_id: uuid.UUID) -> None:
        with self._lock:
            self.acknowledged.setdefault(job.number, set()).add(job_id)
            self.count += 1

    def add_sent(self, jobs: Iterable[Job]) -> None:
        with self._lock:
            for job in jobs:
                self.sent.add(job.number)
                self.count += 1


class Throttle:
    """Blocks producers while `max_open` jobs are open, so that kills interrupt them as well."""

    def __init__(self, max_open: int) -> None:
        self._max_open = max_open
        self._open = 0
        self._sent_since = 0
        self._stopped = False
        self._changed = threading.Condition()

    def acquire(self, count: int) -> bool:
        """Wait until more jobs may be submitted; return False if the run is over."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._stopped or self._open + self._sent_since < self._max_open
            )
            self._sent_since += count
            return not self._stopped

    def update(self, open_jobs: int) -> None:
        """Set the number of jobs in the ledger that have not ended."""
        with self._changed:
            self._open, self._sent_since = open_jobs, 0
            self._changed.notify_all()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    @property
    def stopped(self) -> bool:
        return self._stopped


class Producers:
    def __init__(self, plan: Plan, fleet: Fleet, throttle: Throttle) -> None:
        self.submitted = Submitted()
        self._database_url = fleet.postgres.url
        self._broker_url = fleet.redis.url
        self._environment = fleet.environment
        self._folder = fleet.folder
        self._throttle = throttle
        self._failures: list[BaseException] = []
        submit: dict[SubmissionPath, Callable[[Sequence[Sequence[Job]]], None]] = {
            SubmissionPath.CLIENT: self._submit_by_client,
            SubmissionPath.CLIENT_MANY: self._submit_by_client,
            SubmissionPath.CLI: self._submit_by_cli,
            SubmissionPath.SQL: self._submit_by_sql,
            SubmissionPath.MESSAGE: self._submit_by_message,
        }
        self._threads = [
            threading.Thread(target=self._run, args=(submit[path], batches), name=path)
            for path, batches in plan.batches.items()
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def done(self) -> bool:
        """Return whether everything is submitted. Raises the first error of a thread."""
        if self._failures:
            raise self._failures[0]
        return not any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        self._throttle.stop()
        for thread in self._threads:
            thread.join(CLI_TIMEOUT_S)

    def _run(
        self,
        submit: Callable[[Sequence[Sequence[Job]]], None],
        batches: Sequence[Sequence[Job]],
    ) -> None:
        try:
            submit(batches)
        except BaseException as error:
            self._failures.append(error)

    def _throttled(self, batches: Sequence[Sequence[Job]]) -> Iterable[Sequence[Job]]:
        for jobs in batches:
            if not self._throttle.acquire(len(jobs)):
                return
            yield jobs

    def _submit_by_client(self, batches: Sequence[Sequence[Job]]) -> None:
        with Client(
            self._database_url, self._broker_url, source=SOURCE, message_size=MESSAGE_SIZE
        ) as client:
            for jobs in self._throttled(batches):
                receipts = self._submit_until_acknowledged(client, jobs)
                if not receipts:
                    return
                for job, receipt in zip(jobs, receipts, strict=True):
                    assert receipt.state is not JobState.REJECTED, receipt
                    self.submitted.add_acknowledged(job, receipt.job_id)

    def _submit_until_acknowledged(self, client: Client, jobs: Sequence[Job]) -> list[Receipt]:
        """Return the receipts; none if the run ended before."""
        submissions = [Submission(job.text, job.key, deadline(job)) for job in jobs]
        while not self._throttle.stopped:
            with suppress(StorageError):
                return list(client.submit_many(submissions))
            time.sleep(RETRY_PAUSE_S)  # the pause of a producer between two attempts
        return []

    def _submit_by_sql(self, batches: Sequence[Sequence[Job]]) -> None:
        for jobs in self._throttled(batches):
            while not self._throttle.stopped:
                with suppress(psycopg.OperationalError, psycopg.InterfaceError):
                    ids = self._commit(jobs)
                    for job, job_id in zip(jobs, ids, strict=True):
                        self.submitted.add_acknowledged(job, job_id)
                    break
                time.sleep(RETRY_PAUSE_S)  # the pause of a producer between two attempts

    def _commit(self, jobs: Sequence[Job]) -> list[uuid.UUID]:
        """Submit within the caller's own transaction."""
        with psycopg.connect(self._database_url, connect_timeout=5) as connection:
            ids = []
            for job in jobs:
                row = connection.execute(
                    "SELECT plumbline.submit_v1(%s, key => %s, source => %s, deadline => %s)",
                    (job.text, job.key, SOURCE, deadline(job)),
                ).fetchone()
                assert row is not None
                ids.append(row[0])
        return ids

    def _submit_by_message(self, batches: Sequence[Sequence[Job]]) -> None:
        """Use a Celery app without Plumbline. A message sent twice with one id adds no new job."""
        with Celery("stranger", broker=self._broker_url, set_as_current=False) as app:
            app.conf.broker_transport_options = {
                "global_keyprefix": "plumbline:",
                "socket_timeout": 5.0,
                "socket_connect_timeout": 5.0,
            }
            for jobs in self._throttled(batches):
                if self._send(app, jobs):
                    self.submitted.add_sent(jobs)

    def _send(self, app: Celery, jobs: Sequence[Job]) -> bool:
        """Send until Redis has accepted the message; return False if the run ended before."""
        task_id = str(uuid.uuid4())
        while not self._throttle.stopped:
            # The type of the error depends on where the connection broke.
            with suppress(Exception):
                app.send_task(
                    "plumbline.score",
                    kwargs=message(jobs),
                    queue="plumbline.score",
                    task_id=task_id,
                    ignore_result=True,
                    retry=False,
                )
                return True
            time.sleep(RETRY_PAUSE_S)  # the pause of a producer between two attempts
        return False

    def _submit_by_cli(self, batches: Sequence[Sequence[Job]]) -> None:
        for number, jobs in enumerate(self._throttled(batches)):
            file = self._folder / f"submit-{number}.jsonl"
            lines = [json.dumps({"text": job.text, "key": job.key}) for job in jobs]
            file.write_text("\n".join(lines) + "\n", encoding="utf-8")
            while not self._throttle.stopped:
                receipts = self._run_submit(str(file))
                if receipts is not None:
                    for receipt in receipts:
                        job = jobs[receipt["line"] - 1]
                        self.submitted.add_acknowledged(job, uuid.UUID(receipt["job_id"]))
                    break
                time.sleep(RETRY_PAUSE_S)  # the pause of a producer between two attempts

    def _run_submit(self, file: str) -> list[dict[str, Any]] | None:
        """Return the receipts that `plumbline submit` prints; None if it failed."""
        command = [str(PLUMBLINE), "submit", file, "--key-column", "key"]
        process = subprocess.run(
            [*command, "--source", SOURCE, "--json"],
            env=self._environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=CLI_TIMEOUT_S,
            check=False,
        )
        assert "Traceback" not in process.stderr, process.stderr
        if process.returncode != 0:
            return None
        lines = [json.loads(line) for line in process.stdout.splitlines()]
        return [line for line in lines if line["kind"] == "receipt"]


def deadline(job: Job) -> datetime | None:
    if job.kind is JobKind.LATE:
        return datetime.now(UTC) - timedelta(seconds=1)
    if job.kind is JobKind.SOON:
        return datetime.now(UTC) + timedelta(seconds=SOON_S)
    return None


def message(jobs: Sequence[Job]) -> dict[str, object]:
    entries = []
    for job in jobs:
        entry: dict[str, object] = {"text": job.text}
        job_deadline = deadline(job)
        entry |= {"key": job.key} if job.key is not None else {}
        entry |= {"deadline": job_deadline.isoformat()} if job_deadline is not None else {}
        entries.append(entry)
    return {"version": 1, "source": SOURCE, "jobs": entries}
