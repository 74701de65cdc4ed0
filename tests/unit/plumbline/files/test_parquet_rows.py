from pathlib import Path
from typing import Any

import pytest

from plumbline.errors import FileUnreadable
from plumbline.files import Columns, InvalidRow, Row, TextFile

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def read(path: Path, *columns: str) -> list[Row | InvalidRow]:
    with TextFile(str(path), None, Columns(*columns)) as rows:
        return list(rows)


def write(path: Path, table: Any) -> Path:
    parquet.write_table(table, path)
    return path


def test_doubled_column_is_refused_if_it_is_read(tmp_path: Path) -> None:
    arrays = [pyarrow.array([name]) for name in "abc"]
    path = write(tmp_path / "a.parquet", pyarrow.table(arrays, names=["text", "text", "id"]))
    with pytest.raises(FileUnreadable, match="has 2 columns named 'text'; rename all but one"):
        read(path)
    path = write(tmp_path / "b.parquet", pyarrow.table(arrays, names=["id", "id", "text"]))
    assert read(path) == [Row(1, "c")]


@pytest.mark.parametrize(
    "array",
    [
        pyarrow.array(["a", "b"]),
        pyarrow.array(["a", "b"], pyarrow.large_string()),
        pyarrow.array(["a", "b"]).dictionary_encode(),
        pyarrow.array([b"a", b"b"]),
        pyarrow.array([b"a", b"b"], pyarrow.large_binary()),
    ],
)
def test_every_type_of_text_is_read(tmp_path: Path, array: Any) -> None:
    path = write(tmp_path / "a.parquet", pyarrow.table({"text": array, "id": [1, 2]}))
    assert read(path, "text", "id") == [Row(1, "a", "1"), Row(2, "b", "2")]


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (pyarrow.array([1.5, float("nan")]), "a number"),
        (pyarrow.array([1, 2]), "a number"),
        (pyarrow.array([["a"], []]), "a list"),
        (pyarrow.array([{"x": 1}, {"x": 2}]), "an object"),
        (pyarrow.array([1, 2], pyarrow.timestamp("us")), "a time"),
        # Python's datetime has no nanoseconds.
        (pyarrow.array([1, 2], pyarrow.timestamp("ns")), ""),
        (pyarrow.nulls(2), "null"),
    ],
)
def test_other_types_are_invalid(tmp_path: Path, array: Any, reason: str) -> None:
    path = write(tmp_path / "a.parquet", pyarrow.table({"text": array}))
    rows = read(path)
    assert [row.line for row in rows] == [1, 2]
    assert isinstance(rows[0], InvalidRow) and reason in rows[0].reason


def test_damaged_pages_end_the_file_with_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pyarrow.table({"text": [f"text {n}" * 9 for n in range(5_000)]})
    parquet.write_table(table, path, row_group_size=1_000, use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 400] = b"\xff" * 400
    path.write_bytes(content)
    rows = read(path)
    assert len(rows) > 1_000
    assert isinstance(rows[-1], InvalidRow)
    assert rows[-1].reason.startswith("the rest of the file cannot be read: ")


def test_what_is_not_parquet_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    for content, sentence in (
        (b"PK\x03\x04", "is a ZIP archive, such as .xlsx or .docx, not a Parquet file."),
        (b"PAR1 but no footer", "cannot be read: "),
        (b"text\na\n", "cannot be read: "),
        (b"", "cannot be read: "),
    ):
        path.write_bytes(content)
        with pytest.raises(FileUnreadable) as caught:
            read(path)
        assert sentence in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(FileUnreadable, match="Parquet cannot be read from standard input"):
        parquet_from_standard_input()


def parquet_from_standard_input() -> None:
    from plumbline.files import Format

    TextFile("-", Format.PARQUET)
