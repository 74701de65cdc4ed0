"""The identity of a job. The same submission is the same job on every submission path, for ever."""

from __future__ import annotations

import hashlib
import uuid

# uuid5(NAMESPACE_DNS, "plumbline"). Changing it would turn old keys into new jobs.
NAMESPACE = uuid.UUID("1bf8bad3-adcf-5db0-9ecb-de4d4dbcadc1")
LONGEST_SOURCE = 200
LONGEST_KEY = 500


def invalid_reason(value: object, longest: int) -> str | None:
    """Return why a source or key is not usable, as in "is empty"; None if it is."""
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
    """Return the id of the job with this idempotency key.

    `plumbline.keyed_id_v1` implements the same rule in SQL. NUL separates the parts, which cannot
    contain it, so two different pairs never produce the same name.
    """
    return _named_id(f"key\0{source}\0{key}")


def message_job_id(message_id: str, source: str, text_sha256: bytes, position: int) -> uuid.UUID:
    """Return the id of a keyless text in a bare message; every delivery gives the same id.

    Message ids belong to no one: two programs may both send an `order-4711`, so source and text are
    part of the identity.
    """
    return _named_id(
        f"message text\0{_encodable(message_id)}\0{source}\0{text_sha256.hex()}\0{position}"
    )


def former_message_job_id(message_id: str, position: int) -> uuid.UUID:
    """Return the id that earlier releases gave a keyless text, whatever its source was."""
    return _named_id(f"message\0{_encodable(message_id)}\0{position}")


def _encodable(message_id: str) -> str:
    # Another program's Celery may use any string that JSON can hold as a message id.
    return message_id.encode(errors="backslashreplace").decode()


def _named_id(name: str) -> uuid.UUID:
    """Return a UUID of version 8 (RFC 9562) from the first 16 bytes of a SHA-256.

    Version 5 would need SHA-1, which PostgreSQL does not offer without an extension.
    """
    digest = bytearray(hashlib.sha256(NAMESPACE.bytes + name.encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return uuid.UUID(bytes=bytes(digest))
