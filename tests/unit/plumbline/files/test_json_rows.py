from typing import Any

import pytest

from plumbline.errors import FileUnreadable
from plumbline.files.json_rows import json_rows
from plumbline.files.rows import Columns, InvalidRow, RowColumns
from training.data.labelled_row import LabelledColumns


def read(
    *lines: str, columns: RowColumns[object] | None = None
) -> list[dict[str, Any] | InvalidRow]:
    rows = json_rows("a.jsonl", enumerate(lines, start=1), columns or Columns("text", "id"))
    return [values for _, values in rows]


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


@pytest.mark.parametrize(
    ("lines", "tool"),
    [
        (['[{"text": "a"}, {"text": "b"}]'], "jq -c '.[]'"),
        (["", " [", '  {"text": "a"},', '  {"text": "b"}', "]"], "jq -c '.[]'"),
        (["{", '  "text": "a"', "}"], "jq -c ."),
    ],
)
def test_document_of_several_lines_is_refused(lines: list[str], tool: str) -> None:
    with pytest.raises(FileUnreadable, match=r"^a\.jsonl (is|has) .*\.$") as caught:
        read(*lines)
    assert f"as {tool} does" in str(caught.value)


def test_doubled_optional_column_is_invalid_in_any_case() -> None:
    for line in (
        '{"text": "a", "label": 1, "split": "test", "Split": "train"}',
        '{"text": "a", "label": 1, "Split": "test", "Split": "train"}',
    ):
        (row,) = read(line, columns=LabelledColumns())
        assert row == InvalidRow(1, "it has 'split' more than once")
