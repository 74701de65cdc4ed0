"""The loop that the demo shows: submit a batch, wait for its results, request a drift report."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from plumbline.cli import report_request
from plumbline.cli.output.drift_report import ReportWithValues, read_report_of_task
from plumbline.demo.texts import is_odd
from plumbline.embedded.errors import EmbeddedFailed
from plumbline.embedded.stack import Stack
from plumbline.embedded.state_dir import logs_dir
from plumbline.errors import ReportMissing
from plumbline.queues import DRIFT_TASK
from plumbline.services import open_client
from plumbline.settings import Settings
from plumbline_client import Client, Result
from plumbline_client.states import TERMINAL
from storage.database import open_engine

POLL_S = 0.1
SCORE_TIMEOUT_S = 120.0
# Importing Evidently alone takes 6 s on an idle machine.
REPORT_TIMEOUT_S = 120.0
# Small messages, so that both workers receive some and the progress is visible.
MESSAGE_SIZE = 4


@dataclass(frozen=True, slots=True)
class Batch:
    """`results[i]` is the result of `texts[i]`; `since` is the time of the first acceptance."""

    since: datetime
    texts: Sequence[str]
    results: Sequence[Result]


def demo_settings(settings: Settings, now: datetime) -> Settings:
    """Return settings with embedded servers and a folder of the demo's own.

    So the demo never uses a real database. Each run has its own source, which distinguishes its
    texts from those of earlier runs.
    """
    return settings.model_copy(
        update={
            "database_url": None,
            "broker_url": None,
            "state_dir": settings.state_dir / "demo",
            "source": f"demo-{now.astimezone(UTC):%Y%m%d-%H%M%S}",
            "message_size": MESSAGE_SIZE,
        }
    )


def score_batch(
    running: Stack, texts: Sequence[str], on_poll: Callable[[Sequence[Result]], None]
) -> Batch:
    """Submit texts through the client and poll their results until every job has ended."""
    with open_client(running.settings, running.services) as client:
        ids = submit(client, texts, running.settings.source)
        deadline = time.monotonic() + SCORE_TIMEOUT_S
        while True:
            running.supervise()
            results = client.results(ids=ids, limit=None)
            on_poll(results)
            if all(result.state in TERMINAL for result in results):
                by_id = {result.job_id: result for result in results}
                # PostgreSQL's time, as are those that the drift report compares it with.
                since = min(result.created_at for result in results)
                return Batch(since, texts, [by_id[job_id] for job_id in ids])
            if time.monotonic() > deadline:
                raise _timeout_error("The texts were not scored", running)
            time.sleep(POLL_S)


def submit(client: Client, texts: Sequence[str], source: str) -> list[uuid.UUID]:
    """Return the job ids in the order of the texts. Odd texts have a source of their own."""
    ids: dict[int, uuid.UUID] = {}
    for odd, name in ((False, source), (True, f"{source}-abroad")):
        positions = [position for position, text in enumerate(texts) if is_odd(text) is odd]
        receipts = client.submit_many([texts[position] for position in positions], source=name)
        for position, receipt in zip(positions, receipts, strict=True):
            ids[position] = receipt.job_id
    return [ids[position] for position in range(len(texts))]


def request_drift_report(running: Stack, batch: Batch) -> ReportWithValues:
    """Request a report on the batch, as beat does every hour for all texts, and wait for it."""
    arguments = {"source": running.settings.source, "since": batch.since.isoformat()}
    task_id = report_request.send(DRIFT_TASK, arguments, running.services)
    with open_engine(running.services.database_url) as engine:
        try:
            return report_request.wait_for(
                engine,
                lambda connection: read_report_of_task(connection, task_id),
                REPORT_TIMEOUT_S,
                running.supervise,
            )
        except ReportMissing as error:
            raise _timeout_error("The drift report was not made", running) from error


def _timeout_error(failure: str, running: Stack) -> EmbeddedFailed:
    return EmbeddedFailed(
        f"{failure} in time; the workers' logs in {logs_dir(running.settings)} may show why."
    )
