"""Why a child puts its message back, and what that counts for.

A message returns to the list that it came from, unchanged but for a blank that counts the return
(`worker.broker.unacknowledged`). It is never sent anew: its id, its list and its place in the
parent's books stay the same, and Redis need not accept it a second time.
"""

from __future__ import annotations

from enum import StrEnum

from celery.exceptions import Reject
from sqlalchemy.exc import DataError, DBAPIError

from plumbline_client.errors import StorageError
from scoring.errors import ModelUnavailable
from worker.broker.unacknowledged import FAILED, UNCOUNTED, UNSERVED

# SQLSTATEs, or their beginnings, of what PostgreSQL refuses because of the values of a statement.
OF_THE_VALUES = ("22", "23", "54")
# An internal error: too much for one statement, or a proxy's own error that passes.
INTERNAL = "XX"


class PutBack(StrEnum):
    """The reason of a `Reject`; the parent reads it."""

    DRAINING = "the worker is draining"
    UNSERVED = "PostgreSQL did not serve the message"
    FAILED = "the attempt failed"


COUNTS_AS = {
    PutBack.DRAINING: UNCOUNTED,
    PutBack.UNSERVED: UNSERVED,
    PutBack.FAILED: FAILED,
}


def counts_as(rejection: Reject) -> str:
    """Return the blank that counts the return of the message of a child."""
    return COUNTS_AS.get(rejection.reason, UNCOUNTED)


def put_back(why: PutBack) -> Reject:
    return Reject(why, requeue=True)


def is_outage(error: BaseException) -> bool:
    """Return whether nothing can be served, so that the error is not about the message.

    A missing privilege or table is among these, and a model that cannot be loaded: it would end
    every message.
    """
    if isinstance(error, ModelUnavailable):
        return True
    state = _sqlstate(error)
    if is_final(error) or (state is not None and state.startswith(INTERNAL)):
        return False
    return isinstance(error, StorageError | DBAPIError)


def is_final(error: BaseException) -> bool:
    """Return whether PostgreSQL will never accept these values."""
    state = _sqlstate(error)
    if state is not None:
        return state.startswith(OF_THE_VALUES)
    return isinstance(_database_error(error), DataError)


def _sqlstate(error: BaseException) -> str | None:
    return getattr(getattr(_database_error(error), "orig", None), "sqlstate", None)


def _database_error(error: BaseException) -> BaseException | None:
    return error.__cause__ if isinstance(error, StorageError) else error
