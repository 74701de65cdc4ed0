"""Who a job is. The same submission is the same job through every door, for ever."""

from __future__ import annotations

import uuid

# uuid5(NAMESPACE_DNS, "plumbline"); never change it, or old keys become new jobs.
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "plumbline")


def keyed_id(source: str, key: str) -> uuid.UUID:
    """The job for an idempotency key. NUL cannot occur in either part, so none can imitate two."""
    return uuid.uuid5(NAMESPACE, f"key\0{source}\0{key}")


def message_id(message: str, position: int) -> uuid.UUID:
    """The job for a keyless text of a bare message, the same each time the message is delivered."""
    return uuid.uuid5(NAMESPACE, f"message\0{message}\0{position}")


def random_id() -> uuid.UUID:
    return uuid.uuid4()
