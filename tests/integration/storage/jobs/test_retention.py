from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from plumbline_client.states import TERMINAL, JobState
from storage.jobs.retention import purge_texts
from tests.ledger import Ledger

NOW = datetime.now(UTC)


def add_jobs(ledger: Ledger, state: JobState, age: timedelta, count: int = 1) -> None:
    """Add jobs that were created two days ago and, in a terminal state, ended `age` ago."""
    ended = f"'{NOW - age}'" if state in TERMINAL else "NULL"
    ledger.change(
        f"state = '{state}', created_at = '{NOW - timedelta(days=2)}', finished_at = {ended}",
        *ledger.accept_texts(count),
    )


def count_texts(engine: Engine) -> int:
    with engine.connect() as connection:
        count = connection.execute(text("SELECT count(text) FROM plumbline.jobs"))
        return int(count.scalar_one())


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_text_of_a_job_that_ended_long_ago_is_purged(ledger: Ledger, state: JobState) -> None:
    add_jobs(ledger, state, timedelta(hours=2))
    assert sum(purge_texts(ledger.engine, NOW - timedelta(hours=1))) == 1
    assert count_texts(ledger.engine) == 0


@pytest.mark.parametrize("state", sorted(set(JobState) - TERMINAL))
def test_job_that_has_not_ended_keeps_its_text(ledger: Ledger, state: JobState) -> None:
    add_jobs(ledger, state, timedelta(hours=2))
    assert sum(purge_texts(ledger.engine, NOW)) == 0
    assert count_texts(ledger.engine) == 1


def test_age_counts_from_the_end_of_the_job_not_from_its_creation(ledger: Ledger) -> None:
    add_jobs(ledger, JobState.SCORED, timedelta(minutes=5))
    assert sum(purge_texts(ledger.engine, NOW - timedelta(hours=1))) == 0
    assert count_texts(ledger.engine) == 1


def test_batches_reach_every_job_once_even_if_created_at_the_same_time(ledger: Ledger) -> None:
    add_jobs(ledger, JobState.SCORED, timedelta(hours=2), count=7)
    assert list(purge_texts(ledger.engine, NOW, batch=3)) == [3, 3, 1]
    assert count_texts(ledger.engine) == 0
    assert list(purge_texts(ledger.engine, NOW, batch=3)) == []


@pytest.mark.parametrize(
    ("state", "error", "left"),
    [
        (JobState.QUARANTINED, "given up after 3 attempts: ValueError: the text", "ValueError"),
        (JobState.CANCELLED, "duplicate: see the ticket", "duplicate: see the ticket"),
    ],
)
def test_what_an_earlier_release_quoted_of_the_text_is_purged(
    ledger: Ledger, state: JobState, error: str, left: str
) -> None:
    add_jobs(ledger, state, timedelta(hours=2))
    with ledger.engine.begin() as connection:
        connection.execute(text("UPDATE plumbline.jobs SET error = :error"), {"error": error})
    assert sum(purge_texts(ledger.engine, NOW)) == 1
    with ledger.engine.connect() as connection:
        assert connection.execute(text("SELECT error FROM plumbline.jobs")).scalar_one() == (
            f"given up after 3 attempts: {left}" if state is JobState.QUARANTINED else left
        )


def test_purge_changes_only_the_text(ledger: Ledger) -> None:
    add_jobs(ledger, JobState.SCORED, timedelta(hours=2))
    query = text("SELECT id, key, text_sha256, state, finished_at FROM plumbline.jobs")
    with ledger.engine.connect() as connection:
        before = connection.execute(query).all()
    list(purge_texts(ledger.engine, NOW))
    with ledger.engine.connect() as connection:
        assert connection.execute(query).all() == before
