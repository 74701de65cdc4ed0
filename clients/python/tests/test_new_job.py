import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from plumbline_client.identity import keyed_id
from plumbline_client.new_job import (
    DOCUMENT_COLUMNS,
    READ_TEXT_BYTES,
    new_job,
    text_hash,
    to_document,
)


def test_plain_text_is_unchanged() -> None:
    job = new_job("See you at six", source="app", max_chars=100)
    assert (job.text, job.notes, job.error) == ("See you at six", (), None)
    assert job.text_sha256 == text_hash("See you at six")


def test_key_takes_precedence_over_job_id() -> None:
    job = new_job("x", source="app", max_chars=9, key="k", job_id=uuid.UUID(int=1))
    assert job.id == keyed_id("app", "k")


def test_job_id_is_used_without_a_key() -> None:
    job_id = uuid.UUID(int=1)
    assert new_job("x", source="app", max_chars=9, job_id=job_id).id == job_id


def test_keyless_texts_are_separate_jobs() -> None:
    first, second = (new_job("x", source="app", max_chars=9) for _ in range(2))
    assert first.id != second.id


def test_nul_and_lone_surrogates_are_replaced_and_noted() -> None:
    job = new_job("a\x00b\ud800c", source="app", max_chars=100)
    assert job.text == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"
    assert job.notes == ("nul_replaced", "surrogate_replaced")


def test_unusable_text_gives_a_refused_job_without_text() -> None:
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
def test_invalid_key_refuses_the_text(key: str, reason: str) -> None:
    job = new_job("x", source="app", max_chars=9, key=key, job_id=uuid.UUID(int=1))
    assert (job.id, job.key, job.text, job.error) == (uuid.UUID(int=1), None, None, reason)


def test_deadline_needs_a_time_zone() -> None:
    naive = new_job("x", source="app", max_chars=9, deadline=datetime(2030, 1, 1))
    assert (naive.deadline, naive.error) == (None, "the deadline has no time zone")
    aware = datetime(2030, 1, 1, tzinfo=UTC)
    assert new_job("x", source="app", max_chars=9, deadline=aware).deadline == aware


@pytest.mark.parametrize(
    ("deadline", "seconds"),
    [
        (timedelta(minutes=10), 600.0),
        (timedelta(0), 0.0),
        (-timedelta(minutes=1), -60.0),
        (timedelta.max, 366_000 * 86_400.0),
        (timedelta.min, -366_000 * 86_400.0),
    ],
)
def test_a_duration_until_the_deadline_is_left_to_the_clock_of_postgresql(
    deadline: timedelta, seconds: float
) -> None:
    job = new_job("x", source="app", max_chars=9, deadline=deadline)
    (entry,) = json.loads(to_document([job]))
    assert (entry["deadline"], entry["deadline_s"]) == (None, seconds)


def test_document_has_every_job_in_order() -> None:
    jobs = [new_job(text, source="app", max_chars=9, key="k") for text in ("one", "two")]
    document = json.loads(to_document(jobs))
    assert [entry["text"] for entry in document] == ["one", "two"]
    assert document[0]["text_sha256"] == f"\\x{text_hash('one').hex()}"
    assert {column.split()[0] for column in DOCUMENT_COLUMNS.split(", ")} == set(document[0])


def test_the_hash_of_a_refused_text_is_that_of_the_submitted_one() -> None:
    assert new_job(" ", source="app", max_chars=9).text_sha256 == text_hash(" ")
    assert new_job("a\0\ud800" * 9, source="app", max_chars=9).text_sha256 == text_hash(
        "a\0\ud800" * 9
    )


def test_a_text_that_is_far_too_long_is_identified_by_its_length_and_its_beginning() -> None:
    longest = "é" * (READ_TEXT_BYTES // 2)
    hashes = {
        text: new_job(text, source="app", max_chars=9).text_sha256
        for text in (longest, longest + "x", longest + "y", "x" + longest, longest + "xx")
    }
    assert hashes[longest] == text_hash(longest)
    assert hashes[longest + "x"] == hashes[longest + "y"] != text_hash(longest + "x")
    assert len(set(hashes.values())) == 4
