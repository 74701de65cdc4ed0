import hashlib
import uuid

import pytest

from plumbline_client.identity import (
    former_message_job_id,
    invalid_reason,
    keyed_id,
    message_job_id,
)

HASH = hashlib.sha256(b"text").digest()


def test_keyed_id_never_changes() -> None:
    # Pinned: another value would turn every key in use into a new job.
    assert keyed_id("billing", "invoice-1") == uuid.UUID("6510cf03-f5b9-824c-8af9-b7381609b0db")


def test_source_and_key_are_separated() -> None:
    assert keyed_id("ab", "c") != keyed_id("a", "bc")


def test_keyed_and_keyless_ids_differ() -> None:
    assert keyed_id("m", "0") not in {
        message_job_id("m", "0", HASH, 0), former_message_job_id("m", 0)
    }  # fmt: skip


def test_message_job_id_never_changes() -> None:
    # Pinned: with another value, a message that is delivered again would be scored again.
    assert message_job_id("order-4711", "billing", HASH, 3) == uuid.UUID(
        "8eeddf95-5f3f-8201-b4bc-0664d45f9a87"
    )
    assert former_message_job_id("order-4711", 3) == uuid.UUID(
        "c0818fb0-2796-845e-9d3b-86462dcef540"
    )


def test_each_position_of_a_message_is_a_job_of_its_own() -> None:
    assert len({message_job_id("m", "app", HASH, position) for position in range(100)}) == 100
    assert message_job_id("m", "app", HASH, 1) == message_job_id("m", "app", HASH, 1)


def test_a_message_id_is_shared_by_sources_and_texts() -> None:
    ids = {
        message_job_id("order-4711", source, hashlib.sha256(text).digest(), 0)
        for source in ("billing", "shop")
        for text in (b"one", b"two")
    }
    assert len(ids) == 4


def test_the_parts_of_a_message_job_id_are_separated() -> None:
    assert message_job_id("a\0b", "c", HASH, 0) != message_job_id("a", "b\0c", b"", 0)
    assert message_job_id("m1", "app", HASH, 1) != message_job_id("m", "1app", HASH, 1)


def test_any_string_can_be_a_message_id() -> None:
    assert message_job_id("\ud800", "app", HASH, 0) != message_job_id("\udfff", "app", HASH, 0)


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
