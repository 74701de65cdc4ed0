from __future__ import annotations

import pytest

from plumbline_client.errors import DatabaseNotReady, DatabaseRefused, DatabaseUnavailable
from storage.patience import call_when_ready

FULL = DatabaseNotReady("its disk is full.")
AWAY = DatabaseUnavailable("it cannot be reached.")


class Operation:
    """Raises the errors in turn, then returns "done"."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)

    def __call__(self) -> str:
        if self._errors:
            raise self._errors.pop(0)
        return "done"


def test_error_that_may_pass_is_waited_for_and_reported_once() -> None:
    reports: list[str] = []
    pauses: list[float] = []
    operation = Operation(FULL, FULL, AWAY, FULL)
    assert call_when_ready(operation, reports.append, pauses.append) == "done"
    assert reports == [str(FULL), str(AWAY), str(FULL)] and len(pauses) == 4


@pytest.mark.parametrize("error", [AWAY, DatabaseRefused("no."), KeyError("bug")])
def test_other_error_is_raised_at_once(error: Exception) -> None:
    with pytest.raises(type(error)):
        call_when_ready(Operation(error), pytest.fail, pytest.fail)


def test_refusal_ends_the_wait() -> None:
    with pytest.raises(DatabaseRefused):
        call_when_ready(Operation(FULL, DatabaseRefused("no.")), lambda _: None, lambda _: None)
