"""The whole loop, closely watched: submit a batch, see it end, judge its drift."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from plumbline.demo.texts import is_odd
from plumbline.embedded.errors import EmbeddedFailed
from plumbline.embedded.stack import Stack
from plumbline.queues import DRIFT_TASK, REPORT_QUEUE
from plumbline.settings import Settings
from plumbline_client import Client
from plumbline_client.broker import Publisher
from plumbline_client.results import Result
from plumbline_client.states import TERMINAL
from storage.database import connect, translate_errors
from storage.reports import drift
from storage.tables import DriftReport, DriftValue

POLL_S = 0.1
SCORE_TIMEOUT_S = 120.0
# Importing Evidently takes 6 s where nothing else runs.
REPORT_TIMEOUT_S = 120.0
# Small messages, so that both workers have some and the progress can be seen.
MESSAGE_SIZE = 4


@dataclass(frozen=True, slots=True)
class Batch:
    """`texts[i]`, as it was submitted, ended as `results[i]`."""

    since: datetime
    texts: Sequence[str]
    results: Sequence[Result]


@dataclass(frozen=True, slots=True)
class Judged:
    report: DriftReport
    values: Sequence[DriftValue]


def demo_settings(settings: Settings, now: datetime) -> Settings:
    """Servers and a folder of its own, whatever is set, so that no real database is touched.

    Each run has its own source, by which its texts are told from those of earlier runs.
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
    running: Stack, texts: Sequence[str], tell: Callable[[Sequence[Result]], None]
) -> Batch:
    """Submit texts as any caller would, and watch their rows until each has ended."""
    since = datetime.now(UTC)
    with Client.from_settings(running.settings) as client:
        ids = submit(client, texts, running.settings.source)
        deadline = time.monotonic() + SCORE_TIMEOUT_S
        while True:
            running.supervise()
            found = client.results(ids=ids, limit=None)
            tell(found)
            if all(result.state in TERMINAL for result in found):
                by_id = {result.job_id: result for result in found}
                return Batch(since, texts, [by_id[job_id] for job_id in ids])
            _give_up_after(deadline, "The texts were not scored", running)
            time.sleep(POLL_S)


def submit(client: Client, texts: Sequence[str], source: str) -> list[uuid.UUID]:
    """In the order of the texts. The odd ones come from a source of their own, as from abroad."""
    ids: dict[int, uuid.UUID] = {}
    for odd, name in ((False, source), (True, f"{source}-abroad")):
        places = [place for place, text in enumerate(texts) if is_odd(text) is odd]
        receipts = client.submit_many([texts[place] for place in places], source=name)
        ids |= {place: receipt.job_id for place, receipt in zip(places, receipts, strict=True)}
    return [ids[place] for place in range(len(texts))]


def judge_drift(running: Stack, batch: Batch) -> Judged:
    """Ask for a report on the batch, as beat does every hour for all, and wait for its row."""
    settings = running.settings
    assert settings.database_url is not None and settings.broker_url is not None
    task_id = str(uuid.uuid4())
    arguments = {"source": settings.source, "since": batch.since.isoformat()}
    with Publisher(settings.broker_url.get_secret_value()) as publisher:
        publisher.send(DRIFT_TASK, arguments, REPORT_QUEUE, task_id=task_id)
    engine = connect(settings.database_url.get_secret_value())
    try:
        deadline = time.monotonic() + REPORT_TIMEOUT_S
        while True:
            running.supervise()
            with translate_errors(engine), engine.connect() as connection:
                for report in drift.reports(connection):
                    if report.task_id == task_id:
                        found = drift.report(connection, report.id)
                        assert found is not None
                        return Judged(*found)
            _give_up_after(deadline, "The drift report was not made", running)
            time.sleep(POLL_S)
    finally:
        engine.dispose()


def _give_up_after(deadline: float, what: str, running: Stack) -> None:
    if time.monotonic() > deadline:
        logs = running.settings.state_dir / "logs"
        raise EmbeddedFailed(f"{what} in time; the workers' logs in {logs} may say why.")
