"""Locks that keep two processes from doing the same work at once: rows of a private table.

Advisory locks would do as well, if not any login of the server could take them.
"""

from __future__ import annotations

import logging
from enum import StrEnum

from sqlalchemy import Connection, text

log = logging.getLogger(__name__)

LOCK = text("SELECT FROM plumbline.locks WHERE name = :name FOR UPDATE")
TRY_LOCK = text("""
WITH locked AS (SELECT FROM plumbline.locks WHERE name = :name FOR UPDATE SKIP LOCKED)
SELECT EXISTS (SELECT FROM locked) AS locked,
       EXISTS (SELECT FROM plumbline.locks WHERE name = :name) AS present
""")
RESTORE = text("INSERT INTO plumbline.locks (name) VALUES (:name) ON CONFLICT DO NOTHING")


class Lock(StrEnum):
    """The names of the rows."""

    DEPLOY = "deploy"
    SWEEP = "sweep"
    EVALUATE_ALERTS = "evaluate_alerts"
    REPORT_QUALITY = "report_quality"


def lock(connection: Connection, name: Lock) -> None:
    """Wait for the lock and hold it until the transaction ends."""
    while connection.execute(LOCK, {"name": name}).first() is None:
        _restore(connection, name)


def try_lock(connection: Connection, name: Lock) -> bool:
    """Take the lock until the transaction ends; return False if another transaction holds it."""
    row = connection.execute(TRY_LOCK, {"name": name}).one()
    if not row.locked and not row.present:
        _restore(connection, name)
        row = connection.execute(TRY_LOCK, {"name": name}).one()
    return bool(row.locked)


def _restore(connection: Connection, name: Lock) -> None:
    """Write a deleted row again. Whoever else does so waits for the end of this transaction."""
    log.error("the row %s of plumbline.locks was deleted, and is written again", name)
    connection.execute(RESTORE, {"name": name})
