import uuid

import pytest

from plumbline_client.identity import invalid_reason, keyed_id, message_job_id


def test_keyed_id_never_changes() -> None:
    # Pinned: another value would turn every key in use into a new job.
    assert keyed_id("billing", "invoice-1") == uuid.UUID("6510cf03-f5b9-824c-8af9-b7381609b0db")


def test_source_and_key_are_separated() -> None:
    assert keyed_id("ab", "c") != keyed_id("a", "bc")


def test_keyed_and_keyless_ids_differ() -> None:
    assert keyed_id("m", "0") != message_job_id("m", 0)


def test_each_position_of_a_message_is_a_job_of_its_own() -> None:
    assert len({message_job_id("m", position) for position in range(100)}) == 100
    assert message_job_id("m", 1) == message_job_id("m", 1)


def test_any_string_can_be_a_message_id() -> None:
    assert message_job_id("\ud800", 0) != message_job_id("\udfff", 0)


@pytest.mark.parametrize(
    ("value", "reason"),
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
def test_invalid_reason(value: object, reason: str | None) -> None:
    assert invalid_reason(value, 20) == reason
