"""Contradictory labels of equal texts, on a real PostgreSQL."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, text

from plumbline.labels import parse_label
from plumbline_client.new_job import new_job
from storage.jobs.contradictions import Contradictions, LabelledJob, find_contradictions
from storage.jobs.labels import LabelEntry, add
from storage.jobs.retention import purge_texts
from tests.ledger import Ledger
from tests.predictions import new_prediction

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC) - timedelta(days=3_650)


def score(ledger: Ledger, value: str, key: str, model: str = "sms-spam/1.0.0") -> uuid.UUID:
    job = new_job(value, key=key, source="mail", max_chars=100)
    ledger.accept(job)
    (lease,) = ledger.claim(job.id)
    assert ledger.finish(new_prediction(lease, model=model))
    return job.id


def label(engine: Engine, *pairs: tuple[uuid.UUID, str], by: str = "ann") -> None:
    with engine.begin() as connection:
        add(connection, [LabelEntry(job_id, label, by) for job_id, label in pairs], parse_label)


def find(engine: Engine, by: str = "ann", since: datetime = LONG_AGO) -> Contradictions:
    with engine.connect() as connection:
        return find_contradictions(connection, by, since)


def test_equal_texts_with_different_labels_are_found(ledger: Ledger, engine: Engine) -> None:
    one, two = score(ledger, "same", "1"), score(ledger, "same", "2")
    other, tweet = score(ledger, "other", "3"), score(ledger, "other", "4", model="tweets/1.0.0")
    alike = score(ledger, "alike", "5"), score(ledger, "alike", "6")
    label(engine, (one, "0"), (other, "1"), (tweet, "0"), *((job_id, "1") for job_id in alike))
    assert find(engine) == Contradictions(0, []), "1 and 0 of another task do not contradict"
    label(engine, (two, "1"), by="bob")
    found = Contradictions(1, [(LabelledJob(one, "mail", "1"), LabelledJob(two, "mail", "2"))])
    assert sum(purge_texts(engine, datetime.now(UTC) + timedelta(minutes=1))) == 6
    assert find(engine) == find(engine, by="bob") == found
    with engine.connect() as connection:
        now = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    assert find(engine, since=now) == find(engine, by="eve") == Contradictions(0, [])
    label(engine, (two, "0"), by="bob")
    assert find(engine) == Contradictions(0, []), "the newest label of a job counts"
