"""The view `plumbline.results`, through `storage.jobs.results` and by plain SQL."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from plumbline_client.new_job import new_job
from plumbline_client.results import Result, ResultFilter
from plumbline_client.states import JobState
from storage.jobs import results
from tests.ledger import Ledger
from tests.predictions import new_prediction

DAY = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def jobs(ledger: Ledger) -> dict[str, uuid.UUID]:
    """Create a scored, a queued and a refused job of two sources, a day apart."""
    scored = new_job("WIN a prize", source="mail", key="k", max_chars=100)
    queued = new_job("See you at six", source="chat", max_chars=100)
    refused = new_job(" ", source="mail", max_chars=100)
    ledger.accept(scored, queued, refused)
    (lease,) = ledger.claim(scored.id)
    ledger.finish(
        new_prediction(
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
    )
    for days, job in enumerate((scored, queued, refused)):
        ledger.change(f"created_at = '{DAY + timedelta(days=days)}'", job.id)
    return {"scored": scored.id, "queued": queued.id, "refused": refused.id}


def find(engine: Engine, limit: int | None = None, **conditions: Any) -> list[Result]:
    with engine.connect() as connection:
        return results.find(connection, ResultFilter(**conditions), limit)


def test_scored_job_carries_its_prediction(engine: Engine, jobs: dict[str, uuid.UUID]) -> None:
    (result,) = find(engine, ids=[jobs["scored"]])
    assert (result.state, result.source, result.key, result.text) == (
        JobState.SCORED, "mail", "k", "WIN a prize"
    )  # fmt: skip
    assert (result.model, result.label, result.decision) == ("sms-spam/1.0.0", "spam", "positive")
    assert (result.probability, result.tokens, result.queue_ms) == (0.9, 3, 5.0)
    assert result.scored_at is not None and result.finished_at is not None


def test_job_without_a_prediction_carries_its_error(
    engine: Engine, jobs: dict[str, uuid.UUID]
) -> None:
    (result,) = find(engine, ids=[jobs["refused"]])
    assert (result.state, result.error, result.probability, result.text) == (
        JobState.REJECTED, "the text is empty", None, None
    )  # fmt: skip


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, ["refused", "queued", "scored"]),
        ({"limit": 1}, ["refused"]),
        ({"limit": None}, ["refused", "queued", "scored"]),
        ({"source": "mail"}, ["refused", "scored"]),
        ({"state": "queued"}, ["queued"]),
        ({"decision": "positive"}, ["scored"]),
        ({"model": "sms-spam/1.0.0"}, ["scored"]),
        ({"model": "sms-spam/9.0.0"}, []),
        ({"since": DAY + timedelta(days=1)}, ["refused", "queued"]),
        ({"until": DAY + timedelta(days=1)}, ["scored"]),
        ({"source": "mail", "state": "rejected"}, ["refused"]),
        ({"ids": []}, []),
    ],
)
def test_results_meet_every_condition_and_the_newest_come_first(
    engine: Engine, jobs: dict[str, uuid.UUID], conditions: dict[str, Any], expected: list[str]
) -> None:
    found_ids = [result.job_id for result in find(engine, **conditions)]
    assert found_ids == [jobs[name] for name in expected]
    with engine.connect() as connection:
        limit = conditions.pop("limit", None)
        streamed = list(results.stream(connection, ResultFilter(**conditions), limit))
    assert [result.job_id for result in streamed] == found_ids


def test_notes_are_those_of_the_text_and_of_its_live_prediction(
    engine: Engine, ledger: Ledger
) -> None:
    new = new_job("win\x00", source="mail", max_chars=100)
    ledger.accept(new)
    (lease,) = ledger.claim(new.id)
    (queued,) = find(engine)
    assert (queued.notes, queued.review_reason) == (["nul_replaced"], None)
    ledger.finish(new_prediction(lease, decision="review", notes=["mostly_unread"]))
    (scored,) = find(engine)
    assert scored.notes == ["nul_replaced", "mostly_unread"]
    assert scored.review_reason is not None and "more than half" in scored.review_reason


def test_view_can_be_queried_with_plain_sql(engine: Engine, jobs: dict[str, uuid.UUID]) -> None:
    with engine.connect() as connection:
        row = connection.execute(
            text("SELECT key, label, ranked FROM plumbline.results WHERE label = 'spam'")
        ).one()
    assert tuple(row) == ("k", "spam", [{"label": "spam", "probability": 0.9}])


@pytest.mark.parametrize("few", [0, results.FEW_RESULTS])
def test_results_of_a_version_are_complete_whichever_way_they_are_found(
    engine: Engine, jobs: dict[str, uuid.UUID], few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "FEW_RESULTS", few)
    (result,) = find(engine, model="sms-spam/1.0.0", until=datetime(2100, 1, 1, tzinfo=UTC))
    assert result.job_id == jobs["scored"]
    assert find(engine, model="sms-spam/1.0.0", until=DAY) == []
    assert find(engine, model="other/1.0.0") == []
