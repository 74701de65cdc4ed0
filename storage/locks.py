"""PostgreSQL advisory locks, which keep two processes from doing the same work at once."""

from __future__ import annotations

from enum import IntEnum

from sqlalchemy import Connection, text

LOCK = text("SELECT pg_advisory_xact_lock(:key)")
TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:key)")


class Lock(IntEnum):
    """The keys. The values are arbitrary, but all releases must use the same ones."""

    MIGRATE = 0x6D696772
    DEPLOY = 0x6465706C6F79
    SWEEP = 0x706C756D62
    EVALUATE_ALERTS = 0x616C6572
    REPORT_QUALITY = 0x7175616C


def lock(connection: Connection, key: Lock) -> None:
    """Wait for the lock and hold it until the transaction ends."""
    connection.execute(LOCK, {"key": key.value})


def try_lock(connection: Connection, key: Lock) -> bool:
    """Take the lock until the transaction ends; return False if another transaction holds it."""
    return bool(connection.execute(TRY_LOCK, {"key": key.value}).scalar_one())
