import uuid
from datetime import UTC, datetime

import pytest

from plumbline_client.identity import keyed_id
from plumbline_client.new_job import new_job, text_hash


def test_a_plain_text_is_kept_as_it_is() -> None:
    job = new_job("See you at six", source="app", max_chars=100)
    assert (job.text, job.notes, job.error) == ("See you at six", (), None)
    assert job.text_sha256 == text_hash("See you at six")


def test_a_key_decides_who_the_job_is_even_beside_an_id() -> None:
    job = new_job("x", source="app", max_chars=9, key="k", job_id=uuid.UUID(int=1))
    assert job.id == keyed_id("app", "k")


def test_an_id_is_used_where_there_is_no_key() -> None:
    job_id = uuid.UUID(int=1)
    assert new_job("x", source="app", max_chars=9, job_id=job_id).id == job_id


def test_keyless_texts_are_different_jobs() -> None:
    first, second = (new_job("x", source="app", max_chars=9) for _ in range(2))
    assert first.id != second.id


def test_nul_and_lone_surrogates_are_replaced_and_told() -> None:
    job = new_job("a\x00b\ud800c", source="app", max_chars=100)
    assert job.text == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"
    assert job.notes == ("nul_replaced", "surrogate_replaced")


def test_a_text_that_cannot_be_scored_is_a_refused_job_without_its_text() -> None:
    for text, reason in ((" \n", "the text is empty"), ("x" * 11, "the text has 11 characters")):
        job = new_job(text, source="app", max_chars=10)
        assert job.text is None
        assert job.error is not None and job.error.startswith(reason)


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", "the key is empty"),
        ("k" * 501, "the key has 501 characters, and at most 500 are accepted"),
        ("a\x00", "the key has a NUL or a lone surrogate, which PostgreSQL cannot hold"),
        ("\udfff", "the key has a NUL or a lone surrogate, which PostgreSQL cannot hold"),
        (7, "the key is a int, not a string"),
    ],
)
def test_a_key_that_cannot_be_one_refuses_its_text(key: str, reason: str) -> None:
    job = new_job("x", source="app", max_chars=9, key=key, job_id=uuid.UUID(int=1))
    assert (job.id, job.key, job.text, job.error) == (uuid.UUID(int=1), None, None, reason)


def test_a_deadline_says_its_time_zone() -> None:
    naive = new_job("x", source="app", max_chars=9, deadline=datetime(2030, 1, 1))
    assert (naive.deadline, naive.error) == (None, "the deadline has no time zone")
    aware = datetime(2030, 1, 1, tzinfo=UTC)
    assert new_job("x", source="app", max_chars=9, deadline=aware).deadline == aware
