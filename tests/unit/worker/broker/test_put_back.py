from __future__ import annotations

import psycopg
import pytest
from celery.exceptions import Reject
from psycopg import errors
from sqlalchemy.exc import DataError, OperationalError

from plumbline_client.errors import DatabaseRefused, DatabaseUnavailable
from scoring.errors import ModelUnavailable
from worker.broker.put_back import PutBack, counts_as, is_final, is_outage, put_back
from worker.broker.unacknowledged import FAILED, UNCOUNTED, UNSERVED


def refused(cause: psycopg.Error) -> DatabaseRefused:
    error = DatabaseRefused("PostgreSQL refused the statement.")
    error.__cause__ = DataError("INSERT", {}, cause)
    return error


@pytest.mark.parametrize(
    ("why", "blank"),
    [
        (PutBack.DRAINING, UNCOUNTED),
        (PutBack.UNSERVED, UNSERVED),
        (PutBack.FAILED, FAILED),
    ],
)
def test_a_return_is_counted_by_its_reason(why: PutBack, blank: str) -> None:
    rejection = put_back(why)
    assert rejection.requeue and counts_as(rejection) == blank


def test_a_return_for_a_reason_of_celery_counts_nothing() -> None:
    assert counts_as(Reject("anything", requeue=True)) == UNCOUNTED


@pytest.mark.parametrize(
    ("error", "outage", "final"),
    [
        (DatabaseUnavailable("PostgreSQL cannot be reached."), True, False),
        (OperationalError("SELECT", {}, psycopg.OperationalError("lost")), True, False),
        (ModelUnavailable("The model cannot be loaded."), True, False),
        (refused(errors.InsufficientPrivilege()), True, False),
        (refused(errors.UndefinedTable()), True, False),
        (refused(errors.CharacterNotInRepertoire()), False, True),
        (refused(errors.CheckViolation()), False, True),
        (refused(errors.ProgramLimitExceeded()), False, True),
        (refused(errors.InternalError_()), False, False),
        (KeyError("id"), False, False),
        (MemoryError(), False, False),
    ],
)
def test_what_says_nothing_about_the_message_is_an_outage(
    error: BaseException, outage: bool, final: bool
) -> None:
    assert (is_outage(error), is_final(error)) == (outage, final)
