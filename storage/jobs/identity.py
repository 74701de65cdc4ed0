"""Who a job is. The same submission is the same job through every door, for ever."""

from __future__ import annotations

import hashlib
import uuid

# uuid5(NAMESPACE_DNS, "plumbline"); never change it, or old keys become new jobs.
NAMESPACE = uuid.UUID("1bf8bad3-adcf-5db0-9ecb-de4d4dbcadc1")
LONGEST_SOURCE = 200
LONGEST_KEY = 500


def fault(value: object, longest: int) -> str | None:
    """Why a source or a key cannot be part of an identity, as in "is empty"; None where it can."""
    if not isinstance(value, str):
        return f"is a {type(value).__name__}, not a string"
    if not value:
        return "is empty"
    if len(value) > longest:
        return f"has {len(value):,} characters, and at most {longest} are accepted"
    if "\0" in value or any("\ud800" <= char <= "\udfff" for char in value):
        return "has a NUL or a lone surrogate, which PostgreSQL cannot hold"
    return None


def keyed_id(source: str, key: str) -> uuid.UUID:
    """The job for an idempotency key. NUL cannot occur in either part, so none can imitate two.

    `plumbline.keyed_id_v1` is the same rule in SQL.
    """
    return _named(f"key\0{source}\0{key}")


def message_id(message: str, position: int) -> uuid.UUID:
    """The job for a keyless text of a bare message, the same each time the message is delivered."""
    # A stranger's Celery may name its messages with anything JSON can hold.
    readable = message.encode(errors="backslashreplace").decode()
    return _named(f"message\0{readable}\0{position}")


def random_id() -> uuid.UUID:
    return uuid.uuid4()


def _named(name: str) -> uuid.UUID:
    """RFC 9562's version 8: the first 16 bytes of a SHA-256, where PostgreSQL has no SHA-1."""
    digest = bytearray(hashlib.sha256(NAMESPACE.bytes + name.encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return uuid.UUID(bytes=bytes(digest))
