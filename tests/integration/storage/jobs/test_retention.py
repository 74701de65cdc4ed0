from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from plumbline_client.new_job import NewJob
from plumbline_client.results import ResultFilter
from plumbline_client.states import TERMINAL, JobState
from storage.jobs import results
from storage.jobs.labels import LabelEntry, add
from storage.jobs.retention import purge_predictions, purge_texts
from tests.ledger import Ledger, job
from tests.predictions import new_prediction

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


def score(ledger: Ledger, *jobs: NewJob, age: timedelta) -> None:
    """Accept and score jobs, and label them, `age` ago."""
    ledger.accept(*jobs)
    leases = ledger.claim(*(job.id for job in jobs))
    ledger.finish(*(new_prediction(lease) for lease in leases))
    times = f"created_at = '{NOW - age}', finished_at = '{NOW - age}'"
    ledger.change(times, *(job.id for job in jobs))
    with ledger.engine.begin() as connection:
        change = text("UPDATE plumbline.predictions SET scored_at = :at WHERE job_id = ANY (:ids)")
        connection.execute(change, {"at": NOW - age, "ids": [job.id for job in jobs]})
        add(connection, [LabelEntry(job.id, "1", "ann") for job in jobs], lambda *_: None)


def rows(engine: Engine) -> dict[str, int]:
    """Return the number of rows of each table about jobs."""
    with engine.connect() as connection:
        return {
            table: connection.execute(text(f"SELECT count(*) FROM plumbline.{table}")).scalar_one()
            for table in ("jobs", "predictions", "labels")
        }


def test_predictions_and_labels_of_old_jobs_are_deleted_in_batches(ledger: Ledger) -> None:
    score(ledger, *(job(f"old {n}") for n in range(7)), age=timedelta(days=40))
    score(ledger, job("new"), age=timedelta(days=20))
    before = NOW - timedelta(days=30)
    assert list(purge_predictions(ledger.engine, before, batch=3)) == [3, 3, 1]
    assert rows(ledger.engine) == {"jobs": 8, "predictions": 1, "labels": 1}
    assert list(purge_predictions(ledger.engine, before, batch=3)) == []


def test_interrupted_deletion_is_resumed(ledger: Ledger) -> None:
    score(ledger, *(job(f"text {n}") for n in range(5)), age=timedelta(days=40))
    assert next(purge_predictions(ledger.engine, NOW, batch=2)) == 2
    assert sum(purge_predictions(ledger.engine, NOW, batch=2)) == 3


def test_key_of_a_purged_job_remains_taken(ledger: Ledger) -> None:
    first = job("the text", key="k")
    score(ledger, first, age=timedelta(days=40))
    list(purge_texts(ledger.engine, NOW))
    list(purge_predictions(ledger.engine, NOW))
    submit = text("SELECT plumbline.submit_v1(:text, key => 'k', source => 'test')")
    with ledger.engine.begin() as connection:
        assert connection.execute(submit, {"text": "the text"}).scalar_one() == first.id
        result = results.find(connection, ResultFilter(ids=[first.id]), None)[0]
        assert (result.state, result.key, result.text) == (JobState.SCORED, "k", None)
        assert (result.model, result.label, result.scored_at) == (None, None, None)
    with (
        pytest.raises(IntegrityError, match="belongs to another text"),
        ledger.engine.begin() as connection,
    ):
        connection.execute(submit, {"text": "another text"})
    assert ledger.claim(arriving=[first]) == [], "a message that arrives again changes nothing"


def test_job_that_is_being_scored_is_finished_beside_the_deletion(ledger: Ledger) -> None:
    score(ledger, job("old"), age=timedelta(days=40))
    running = job("running")
    ledger.accept(running)
    (lease,) = ledger.claim(running.id)
    assert sum(purge_predictions(ledger.engine, NOW)) == 1
    assert ledger.finish(new_prediction(lease)) == {running.id}
    assert rows(ledger.engine) == {"jobs": 2, "predictions": 1, "labels": 0}
