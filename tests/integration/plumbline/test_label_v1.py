"""The SQL function `plumbline.label_v1`."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from plumbline_client.identity import keyed_id
from storage.serving import deployments
from storage.serving.deployments import VersionRecord

MODEL = "sms-spam/1.0.0"
LABEL = text(
    "SELECT plumbline.label_v1(job => :job, label => :label, said_by => :by, key => :key, "
    "source => :source)"
)
INSERT_JOB = text("""
INSERT INTO plumbline.jobs (id, source, text_sha256, state) VALUES (:id, 'mail', '', 'scored')
""")
INSERT_PREDICTION = text("""
INSERT INTO plumbline.predictions
    (job_id, role, model, probability, label, confidence, decision, ranked, tokens, windows,
     window_rule, features, queue_ms, score_ms)
VALUES (:id, 'live', :model, 0.9, '', 0.9, 'review', '[]', 9, 1, 'mean', '{}', 1, 1)
""")


@pytest.fixture
def serving(engine: Engine) -> Engine:
    with engine.begin() as connection:
        version = VersionRecord(MODEL, "aa", {}, ("ham", "spam"))
        deployments.promote(connection, version, deployed_by="ann", reason="test")
    return engine


def add_scored_job(engine: Engine, job: uuid.UUID | None = None) -> uuid.UUID:
    job = job or uuid.uuid4()
    with engine.begin() as connection:
        connection.execute(INSERT_JOB, {"id": job})
        connection.execute(INSERT_PREDICTION, {"id": job, "model": MODEL})
    return job


def label(connection: Connection, **arguments: Any) -> str:
    defaults = {"job": None, "label": "1", "by": "ann", "key": None, "source": "default"}
    result: str = connection.execute(LABEL, defaults | arguments).scalar_one()
    return result


def labels(connection: Connection) -> set[tuple[uuid.UUID, str, int]]:
    rows = connection.execute(text("SELECT job_id, source, label FROM plumbline.labels"))
    return {tuple(row) for row in rows}  # type: ignore[misc]


def test_result_is_one_word(serving: Engine) -> None:
    first, second = add_scored_job(serving), add_scored_job(serving)
    with serving.begin() as connection:
        assert label(connection, job=first, label="spam") == "accepted"
        assert label(connection, job=first, label="1") == "known"
        assert label(connection, job=first, label="ham") == "changed"
        assert label(connection, job=second, label="1", by="bob") == "accepted"
        assert label(connection, job=second, label="Spam") == "unusable"
        assert label(connection, job=second, label=None) == "unusable"
        assert label(connection, job=uuid.uuid4()) == "unknown_job"
        assert label(connection, key="unknown") == "unknown_job"
        assert labels(connection) == {(first, "ann", 0), (second, "bob", 1)}


def test_job_is_found_by_source_and_key(serving: Engine) -> None:
    job = add_scored_job(serving, keyed_id("mail", "k-1"))
    with serving.begin() as connection:
        assert label(connection, key="k-1", source="mail") == "accepted"
        assert label(connection, key="k-1") == "unknown_job", "the key of another source"
        assert labels(connection) == {(job, "ann", 1)}


def test_labeller_defaults_to_the_session_user(serving: Engine) -> None:
    job = add_scored_job(serving)
    with serving.begin() as connection:
        user = connection.execute(text("SELECT session_user::text")).scalar_one()
        connection.execute(text("SET LOCAL ROLE plumbline_producer"))
        assert label(connection, job=job, by=None) == "accepted"
        connection.execute(text("RESET ROLE"))
        assert labels(connection) == {(job, user, 1)}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({}, "the job is named by job, or by key and source"),
        ({"job": uuid.uuid4(), "key": "k"}, "the job is named by job, or by key and source"),
        ({"key": ""}, "the key is empty"),
        ({"key": "k", "source": ""}, "the source is empty"),
        ({"key": "k", "source": None}, "the source is NULL"),
        ({"job": uuid.uuid4(), "by": ""}, "said_by is empty"),
        ({"key": "k" * 501}, "the key has 501 characters, and at most 500 are accepted"),
    ],
)
def test_invalid_arguments_raise_an_error(
    engine: Engine, arguments: dict[str, Any], reason: str
) -> None:
    with pytest.raises(DBAPIError) as refused, engine.begin() as connection:
        label(connection, **arguments)
    assert f"The label is not taken: {reason}." in str(refused.value.orig)
    assert refused.value.orig.sqlstate == "22023"  # type: ignore[union-attr]


def test_other_roles_have_no_permission(engine: Engine) -> None:
    with pytest.raises(DBAPIError, match="permission denied"), engine.begin() as connection:
        connection.execute(text("SET LOCAL ROLE plumbline_reader"))
        label(connection, job=uuid.uuid4())


def test_sampling_is_stored_with_the_label(serving: Engine) -> None:
    job = add_scored_job(serving)
    query = text("SELECT sampling FROM plumbline.labels")
    with serving.begin() as connection:
        for sampling, expected in (
            ("uncertain", "uncertain"),
            (None, "uncertain"),
            ("random", "random"),
            ("uncertain", "random"),
        ):
            connection.execute(
                text("SELECT plumbline.label_v1(:job, '1', sampling => :sampling)"),
                {"job": job, "sampling": sampling},
            )
            assert connection.execute(query).scalar_one() == expected


def test_unknown_sampling_raises_an_error(serving: Engine) -> None:
    job = add_scored_job(serving)
    call = text("SELECT plumbline.label_v1(:job, '1', sampling => 'all')")
    refused = pytest.raises(DBAPIError, match="none of random, uncertain, unfamiliar")
    with refused, serving.begin() as connection:
        connection.execute(call, {"job": job})
