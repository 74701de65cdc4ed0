from __future__ import annotations

import pytest
from psycopg import errors
from sqlalchemy.exc import DataError

from plumbline_client.errors import DatabaseUnavailable
from worker.broker.gate import MOST_FAILURES
from worker.processing.unclaimable import ends_text

REFUSED = DataError("INSERT", {}, errors.CharacterNotInRepertoire())
AWAY = DatabaseUnavailable("PostgreSQL cannot be reached.")


@pytest.mark.parametrize(
    ("error", "failures", "ends"),
    [
        # Of the first attempt, no text is known to be at fault.
        (REFUSED, 0, False),
        (REFUSED, 1, True),
        (KeyError("id"), 1, False),
        (KeyError("id"), MOST_FAILURES - 1, True),
        (MemoryError(), MOST_FAILURES - 1, True),
        (AWAY, MOST_FAILURES, False),
    ],
)
def test_a_text_ends_once_its_failure_is_its_own(
    error: BaseException, failures: int, ends: bool
) -> None:
    assert ends_text(error, failures) is ends
