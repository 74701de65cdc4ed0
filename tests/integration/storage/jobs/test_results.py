"""What the view `plumbline.results` tells, through `storage.jobs.results` and by plain SQL."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from plumbline_client.new_job import new_job
from storage.jobs import ledger, results
from tests.answers import answer

DAY = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def jobs(engine: Engine) -> dict[str, uuid.UUID]:
    """One scored, one waiting and one refused job of two sources, a day apart."""
    scored = new_job("WIN a prize", source="mail", key="k", max_chars=100)
    waiting = new_job("See you at six", source="chat", max_chars=100)
    refused = new_job(" ", source="mail", max_chars=100)
    with engine.begin() as connection:
        ledger.accept(connection, [scored, waiting, refused])
        (lease,) = ledger.claim(connection, [], [scored.id], 60.0)
        spam = answer(
            lease,
            model="sms-spam/1.0.0",
            probability=0.9,
            label="spam",
            confidence=0.9,
            decision="positive",
            ranked=[{"label": "spam", "probability": 0.9}],
            tokens=3,
            queue_ms=5.0,
            score_ms=1.5,
        )
        ledger.finish(connection, [spam])
        for days, job in enumerate((scored, waiting, refused)):
            connection.execute(
                text("UPDATE plumbline.jobs SET created_at = :at WHERE id = :id"),
                {"at": DAY + timedelta(days=days), "id": job.id},
            )
    return {"scored": scored.id, "waiting": waiting.id, "refused": refused.id}


def test_a_scored_job_carries_its_prediction(engine: Engine, jobs: dict[str, uuid.UUID]) -> None:
    with engine.connect() as connection:
        (found,) = results.find(connection, ids=[jobs["scored"]])
    assert (found.state, found.source, found.key, found.text) == (
        "scored", "mail", "k", "WIN a prize"
    )  # fmt: skip
    assert (found.model, found.label, found.decision) == ("sms-spam/1.0.0", "spam", "positive")
    assert (found.probability, found.tokens, found.queue_ms) == (0.9, 3, 5.0)
    assert found.scored_at is not None and found.finished_at is not None


def test_a_job_without_a_prediction_says_why(engine: Engine, jobs: dict[str, uuid.UUID]) -> None:
    with engine.connect() as connection:
        (found,) = results.find(connection, ids=[jobs["refused"]])
    assert (found.state, found.error, found.probability, found.text) == (
        "rejected", "the text is empty", None, None
    )  # fmt: skip


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, ["refused", "waiting", "scored"]),
        ({"limit": 1}, ["refused"]),
        ({"limit": None}, ["refused", "waiting", "scored"]),
        ({"source": "mail"}, ["refused", "scored"]),
        ({"state": "queued"}, ["waiting"]),
        ({"decision": "positive"}, ["scored"]),
        ({"model": "sms-spam/1.0.0"}, ["scored"]),
        ({"model": "sms-spam/9.0.0"}, []),
        ({"since": DAY + timedelta(days=1)}, ["refused", "waiting"]),
        ({"until": DAY + timedelta(days=1)}, ["scored"]),
        ({"source": "mail", "state": "rejected"}, ["refused"]),
        ({"ids": []}, []),
    ],
)
def test_every_condition_counts_and_the_newest_come_first(
    engine: Engine,
    jobs: dict[str, uuid.UUID],
    conditions: dict[str, object],
    expected: list[str],
) -> None:
    with engine.connect() as connection:
        found = results.find(connection, **conditions)  # type: ignore[arg-type]
    assert [result.job_id for result in found] == [jobs[name] for name in expected]


def test_anybody_who_speaks_sql_can_read_the_view(
    engine: Engine, jobs: dict[str, uuid.UUID]
) -> None:
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT key, label, ranked FROM plumbline.results WHERE label = 'spam'")
        ).one()
    assert tuple(found) == ("k", "spam", [{"label": "spam", "probability": 0.9}])
