"""Those who submit: one thread a door, each sending again, under the same key, what is not
acknowledged, as a producer who cares would do."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from celery import Celery

from plumbline.settings import Settings
from plumbline_client import Client, Receipt, Submission
from plumbline_client.errors import StorageError
from plumbline_client.states import JobState
from tests.chaos.plan import SOURCE, Door, Job, Kind, Plan, Sending
from tests.command import PLUMBLINE

AGAIN_S = 0.1
SOON_S = 0.3
CLI_TIMEOUT_S = 120.0


@dataclass
class Ledgered:
    """What the doors acknowledged, and what was only handed to the broker."""

    accepted: dict[int, set[uuid.UUID]] = field(default_factory=dict)
    sent: set[int] = field(default_factory=set)
    submissions: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def accept(self, job: Job, job_id: uuid.UUID) -> None:
        with self._lock:
            self.accepted.setdefault(job.number, set()).add(job_id)
            self.submissions += 1

    def hand_over(self, jobs: Iterable[Job]) -> None:
        with self._lock:
            for job in jobs:
                self.sent.add(job.number)
                self.submissions += 1


class Pace:
    """Producers wait while `window` jobs are open, so that kills meet them as well as workers."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._open = 0
        self._sent_since = 0
        self._stopped = False
        self._changed = threading.Condition()

    def take(self, count: int) -> bool:
        """Wait for one's turn; False where the run is over."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._stopped or self._open + self._sent_since < self._window
            )
            self._sent_since += count
            return not self._stopped

    def tell(self, still_open: int) -> None:
        """How many jobs of the ledger have not ended at this moment."""
        with self._changed:
            self._open, self._sent_since = still_open, 0
            self._changed.notify_all()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    @property
    def stopped(self) -> bool:
        return self._stopped


class Producers:
    def __init__(
        self,
        plan: Plan,
        database_url: str,
        broker_url: str,
        environment: Mapping[str, str],
        folder: Path,
        pace: Pace,
    ) -> None:
        self.known = Ledgered()
        self._plan = plan
        self._database_url = database_url
        self._broker_url = broker_url
        self._environment = environment
        self._folder = folder
        self._pace = pace
        self._failures: list[BaseException] = []
        doors: dict[Door, Callable[[Sequence[Sending]], None]] = {
            Door.CLIENT: self._client,
            Door.CLIENT_MANY: self._client,
            Door.CLI: self._cli,
            Door.SQL: self._sql,
            Door.MESSAGE: self._messages,
        }
        self._threads = [
            threading.Thread(target=self._run, args=(doors[door], sendings), name=door)
            for door, sendings in plan.sendings.items()
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def done(self) -> bool:
        """Whether all is sent; raises what went wrong in a thread."""
        if self._failures:
            raise self._failures[0]
        return not any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        self._pace.stop()
        for thread in self._threads:
            thread.join(CLI_TIMEOUT_S)

    def _run(self, send: Callable[[Sequence[Sending]], None], sendings: Sequence[Sending]) -> None:
        try:
            send(sendings)
        except BaseException as error:
            self._failures.append(error)

    def _client(self, sendings: Sequence[Sending]) -> None:
        settings = Settings(message_size=12)
        with Client(self._database_url, self._broker_url, source=SOURCE, settings=settings) as door:
            for sending in self._turns(sendings):
                for job, receipt in zip(
                    sending.jobs, self._until_taken(door, sending.jobs), strict=True
                ):
                    assert receipt.state is not JobState.REJECTED, receipt
                    self.known.accept(job, receipt.job_id)

    def _until_taken(self, door: Client, jobs: Sequence[Job]) -> list[Receipt]:
        given = [Submission(job.text, job.key, deadline(job)) for job in jobs]
        while not self._pace.stopped:
            with suppress(StorageError):
                return list(door.submit_many(given))
            time.sleep(AGAIN_S)  # what a producer does between two tries
        return []

    def _sql(self, sendings: Sequence[Sending]) -> None:
        for sending in self._turns(sendings):
            while not self._pace.stopped:
                with suppress(psycopg.OperationalError, psycopg.InterfaceError):
                    ids = self._commit(sending.jobs)
                    for job, job_id in zip(sending.jobs, ids, strict=True):
                        self.known.accept(job, job_id)
                    break
                time.sleep(AGAIN_S)  # what a producer does between two tries

    def _commit(self, jobs: Sequence[Job]) -> list[uuid.UUID]:
        """In one transaction of the caller's own, which then did more than that."""
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

    def _messages(self, sendings: Sequence[Sending]) -> None:
        """A stranger's Celery. Sent again under the same id, a message brings no new job."""
        with Celery("stranger", broker=self._broker_url, set_as_current=False) as app:
            app.conf.broker_transport_options = {
                "global_keyprefix": "plumbline:",
                "socket_timeout": 5.0,
                "socket_connect_timeout": 5.0,
            }
            for sending in self._turns(sendings):
                self._send(app, sending)
                self.known.hand_over(sending.jobs)

    def _send(self, app: Celery, sending: Sending) -> None:
        task_id = str(uuid.uuid4())
        while not self._pace.stopped:
            # What a broken connection raises depends on where it broke.
            with suppress(Exception):
                app.send_task(
                    "plumbline.score",
                    kwargs=message(sending.jobs),
                    queue="plumbline.score",
                    task_id=task_id,
                    ignore_result=True,
                    retry=False,
                )
                return
            time.sleep(AGAIN_S)  # what a producer does between two tries

    def _cli(self, sendings: Sequence[Sending]) -> None:
        for number, sending in enumerate(self._turns(sendings)):
            file = self._folder / f"submit-{number}.jsonl"
            lines = [json.dumps({"text": job.text, "key": job.key}) for job in sending.jobs]
            file.write_text("\n".join(lines) + "\n", encoding="utf-8")
            while not self._pace.stopped:
                printed = self._submit(file)
                if printed is not None:
                    for line in printed:
                        job = sending.jobs[line["line"] - 1]
                        self.known.accept(job, uuid.UUID(line["job_id"]))
                    break
                time.sleep(AGAIN_S)  # what a producer does between two tries

    def _submit(self, file: Path) -> list[dict[str, Any]] | None:
        """The receipts of `plumbline submit`; None where it says that it failed."""
        command = [str(PLUMBLINE), "submit", str(file), "--key-column", "key"]
        ended = subprocess.run(
            [*command, "--source", SOURCE, "--json"],
            env=self._environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=CLI_TIMEOUT_S,
            check=False,
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        if ended.returncode != 0:
            return None
        lines = [json.loads(line) for line in ended.stdout.splitlines()]
        return [line for line in lines if line["kind"] == "receipt"]

    def _turns(self, sendings: Sequence[Sending]) -> Iterable[Sending]:
        for sending in sendings:
            if not self._pace.take(len(sending.jobs)):
                return
            yield sending


def deadline(job: Job) -> datetime | None:
    if job.kind is Kind.LATE:
        return datetime.now(UTC) - timedelta(seconds=1)
    if job.kind is Kind.SOON:
        return datetime.now(UTC) + timedelta(seconds=SOON_S)
    return None


def message(jobs: Sequence[Job]) -> dict[str, object]:
    entries = []
    for job in jobs:
        entry: dict[str, object] = {"text": job.text}
        when = deadline(job)
        entry |= {"key": job.key} if job.key is not None else {}
        entry |= {"deadline": when.isoformat()} if when is not None else {}
        entries.append(entry)
    return {"version": 1, "source": SOURCE, "jobs": entries}
