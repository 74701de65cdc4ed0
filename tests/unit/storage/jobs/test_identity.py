import uuid

import pytest

from plumbline_client.identity import invalid_reason, keyed_id, message_job_id


def test_a_key_is_the_same_job_for_ever() -> None:
    # Pinned: another value would make every key already used a new job.
    assert keyed_id("billing", "invoice-1") == uuid.UUID("6510cf03-f5b9-824c-8af9-b7381609b0db")


def test_source_and_key_do_not_run_into_each_other() -> None:
    assert keyed_id("ab", "c") != keyed_id("a", "bc")


def test_a_key_never_meets_a_keyless_text() -> None:
    assert keyed_id("m", "0") != message_job_id("m", 0)


def test_positions_of_one_message_are_different_jobs() -> None:
    assert len({message_job_id("m", position) for position in range(100)}) == 100
    assert message_job_id("m", 1) == message_job_id("m", 1)


def test_a_message_may_have_any_name() -> None:
    assert message_job_id("\ud800", 0) != message_job_id("\udfff", 0)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("billing", None),
        ("счёт 7 🎉", None),
        ("x" * 20, None),
        ("", "is empty"),
        ("x" * 21, "has 21 characters, and at most 20 are accepted"),
        ("a\x00", "has a NUL or a lone surrogate, which PostgreSQL cannot hold"),
        ("\udc00", "has a NUL or a lone surrogate, which PostgreSQL cannot hold"),
        (7, "is a int, not a string"),
        (None, "is a NoneType, not a string"),
    ],
)
def test_what_cannot_name_a_job_says_why(value: object, says: str | None) -> None:
    assert invalid_reason(value, 20) == says
