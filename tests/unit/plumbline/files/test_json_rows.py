from typing import Any

import pytest

from plumbline.files.json_rows import json_rows
from plumbline.files.rows import InvalidRow


def read(*lines: str) -> list[dict[str, Any] | InvalidRow]:
    return [values for _, values in json_rows(enumerate(lines, start=1), ["text", "id"])]


def test_white_space_is_not_a_row() -> None:
    assert read("", "  \t", '{"text": "a"}') == [{"text": "a"}]


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_constants_of_python_are_not_json(constant: str) -> None:
    for value in (constant, f"[{constant}]"):
        reason = f"it is not JSON: {constant} is not a JSON value"
        assert read(f'{{"text": {value}}}') == [InvalidRow(1, reason)]
    assert read('{"text": "NaN"}') == [{"text": "NaN"}]


def test_doubled_name_is_invalid_if_it_is_a_column() -> None:
    assert read('{"text": "a", "text": "b"}') == [InvalidRow(1, "it has 'text' more than once")]
    assert read('{"text": "a", "x": 1, "x": 2}') == [{"text": "a", "x": 2}]
    assert read('{"text": "a", "x": {"text": 1, "text": 2}}') == [{"text": "a", "x": {"text": 2}}]


def test_byte_order_mark_within_a_file_is_reported() -> None:
    (row,) = read('\ufeff{"text": "a"}')
    assert isinstance(row, InvalidRow) and "it is not JSON" in row.reason
