from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from plumbline_client.new_job import new_job
from plumbline_client.states import TERMINAL, JobState
from storage.jobs import ledger
from storage.jobs.retention import purge_texts

NOW = datetime.now(UTC)


def add(engine: Engine, state: JobState, ended: timedelta, count: int = 1) -> None:
    """Jobs that were created two days ago and ended so long ago."""
    jobs = [new_job(f"text {n}", source="test", max_chars=100) for n in range(count)]
    with engine.begin() as connection:
        ledger.accept(connection, jobs)
        connection.execute(
            text(
                "UPDATE plumbline.jobs SET state = :state, created_at = :created, "
                "finished_at = :ended WHERE id = ANY (:ids)"
            ),
            {
                "state": state,
                "created": NOW - timedelta(days=2),
                "ended": NOW - ended if state in TERMINAL else None,
                "ids": [job.id for job in jobs],
            },
        )


def kept(engine: Engine) -> int:
    with engine.connect() as connection:
        found = connection.execute(text("SELECT count(text) FROM plumbline.jobs"))
        return int(found.scalar_one())


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_the_texts_of_jobs_that_ended_before_are_forgotten(engine: Engine, state: JobState) -> None:
    add(engine, state, timedelta(hours=2))
    assert sum(purge_texts(engine, NOW - timedelta(hours=1))) == 1
    assert kept(engine) == 0


@pytest.mark.parametrize("state", sorted(set(JobState) - TERMINAL))
def test_a_job_that_has_not_ended_keeps_its_text(engine: Engine, state: JobState) -> None:
    add(engine, state, timedelta(hours=2))
    assert sum(purge_texts(engine, NOW)) == 0
    assert kept(engine) == 1


def test_it_counts_since_the_job_ended_not_since_it_came(engine: Engine) -> None:
    add(engine, JobState.SCORED, timedelta(minutes=5))
    assert sum(purge_texts(engine, NOW - timedelta(hours=1))) == 0
    assert kept(engine) == 1


def test_batches_reach_every_job_once_also_those_of_one_moment(engine: Engine) -> None:
    add(engine, JobState.SCORED, timedelta(hours=2), count=7)
    assert list(purge_texts(engine, NOW, batch=3)) == [3, 3, 1]
    assert kept(engine) == 0
    assert list(purge_texts(engine, NOW, batch=3)) == []


def test_everything_but_the_text_stays(engine: Engine) -> None:
    add(engine, JobState.SCORED, timedelta(hours=2))
    query = text("SELECT id, key, text_sha256, state, finished_at FROM plumbline.jobs")
    with engine.connect() as connection:
        before = connection.execute(query).all()
    list(purge_texts(engine, NOW))
    with engine.connect() as connection:
        assert connection.execute(query).all() == before
