import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from plumbline.files.rows import Columns, InvalidRow, Problem, Row


@pytest.mark.parametrize(
    ("value", "reason", "problem"),
    [
        (None, "null, not a string", Problem.MISSING),
        (float("nan"), "NaN, not a string", Problem.MISSING),
        (5, "a number, not a string", Problem.TYPE),
        (5.5, "a number, not a string", Problem.TYPE),
        (True, "true or false, not a string", Problem.TYPE),
        ([1], "a list, not a string", Problem.TYPE),
        ({"a": 1}, "an object, not a string", Problem.TYPE),
        (datetime(2026, 1, 1, tzinfo=UTC), "a time, not a string", Problem.TYPE),
        (Decimal(1), "a number, not a string", Problem.TYPE),
    ],
)
def test_text_is_a_string(value: Any, reason: str, problem: Problem) -> None:
    row = Columns().parse_row(3, {"text": value})
    assert row == InvalidRow(3, f"its 'text' is {reason}")
    assert isinstance(row, InvalidRow) and row.problem is problem


def test_bytes_of_a_column_without_a_type_are_utf_8() -> None:
    assert Columns().parse_row(1, {"text": "é".encode()}) == Row(1, "é")
    assert Columns().parse_row(1, {"text": b"\xff"}) == InvalidRow(1, "its 'text' is not UTF-8")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        *((7, "7"), ("x", "x"), (b"x", "x"), (uuid.UUID(int=1), str(uuid.UUID(int=1)))),
        # Numbers of databases whose only type for numbers is a decimal one.
        *((Decimal(7), "7"), (Decimal("7.00"), "7"), (Decimal("1e3"), "1000")),
    ],
)
def test_key_may_be_a_whole_number_or_an_id(key: Any, expected: str) -> None:
    assert Columns("text", "id").parse_row(1, {"text": "a", "id": key}) == Row(1, "a", expected)


@pytest.mark.parametrize(
    "key",
    [
        *(None, "", True, 1.0, [], date(2026, 1, 1), b"\xff", float("nan")),
        *(Decimal("1.5"), Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity")),
    ],
)
def test_other_keys_are_invalid(key: Any) -> None:
    row = Columns("text", "id").parse_row(1, {"text": "a", "id": key})
    assert isinstance(row, InvalidRow) and row.problem is Problem.KEY
