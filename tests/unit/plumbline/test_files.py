import gzip
import io
import json
from pathlib import Path

import pytest

from plumbline import files
from plumbline.errors import FileUnreadable
from plumbline.files import Columns, Format, InvalidRow, Row, TextFile
from plumbline_client.new_job import new_job


def read(path: Path | str, *columns: str, format: Format | None = None) -> list[Row | InvalidRow]:
    with TextFile(str(path), format, Columns(*columns)) as texts:
        return list(texts)


def write_file(path: Path, content: str | bytes) -> Path:
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_a_plain_file_has_one_text_per_line(tmp_path: Path, name: str) -> None:
    path = write_file(tmp_path / name, "one\n\ntwo, with a comma\r\nthree")
    assert read(path) == [Row(1, "one"), Row(3, "two, with a comma"), Row(4, "three")]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_csv_has_texts_and_keys_in_columns(tmp_path: Path, name: str) -> None:
    path = write_file(tmp_path / name, 'id,body\n7,"a, b\nc"\n\n8,d\n')
    assert read(path, "body", "id") == [Row(2, "a, b\nc", "7"), Row(5, "d", "8")]


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.jsonl.gz"])
def test_json_lines_have_texts_and_keys(tmp_path: Path, name: str) -> None:
    path = write_file(tmp_path / name, '{"text": "a", "id": 7}\n\n{"text": "b", "id": "x"}\n')
    assert read(path, "text", "id") == [Row(1, "a", "7"), Row(3, "b", "x")]


def test_parquet_has_texts_and_keys(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"text": ["a", None, "c"], "id": [1, 2, 3], "more": [0.1, 0.2, 0.3]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet", "text", "id") == [
        Row(1, "a", "1"),
        InvalidRow(2, "its 'text' is null, not a string"),
        Row(3, "c", "3"),
    ]


def test_parquet_without_the_column_is_refused(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    pyarrow.parquet.write_table(pyarrow.table({"a": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(FileUnreadable, match=r"no column 'text'; its columns are: a\.$"):
        TextFile(str(tmp_path / "a.parquet"))


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow.parquet")
    path = write_file(tmp_path / "a.parquet", "not Parquet")
    with pytest.raises(FileUnreadable, match=r"a\.parquet cannot be read: .*\.$"):
        TextFile(str(path))


def test_standard_input_is_text_unless_the_format_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for content, format, expected in (
        (b"a,b\n", None, "a,b"),
        (b'{"text": "c"}\n', Format.JSONL, "c"),
        (b"text\nd\n", Format.CSV, "d"),
    ):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        assert [row.text for row in read("-", format=format) if isinstance(row, Row)] == [expected]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("not json", "it is not JSON: Expecting value"),
        ('{"text": "a"', "it is not JSON: "),
        ("[1]", "it is a list, not a JSON object"),
        ('"a"', "it is a string, not a JSON object"),
        ("{}", "it has no 'text'"),
        ('{"text": null}', "its 'text' is null, not a string"),
        ('{"text": 5}', "its 'text' is a number, not a string"),
        ('{"text": {"a": 1}}', "its 'text' is an object, not a string"),
        ("[" * 200_000, "it is not JSON: "),
        ("9" * 10_000, "it is not JSON: "),
    ],
)
def test_an_invalid_json_line_is_skipped(tmp_path: Path, line: str, reason: str) -> None:
    path = write_file(tmp_path / "a.jsonl", f'{{"text": "before"}}\n{line}\n{{"text": "after"}}\n')
    before, invalid, after = read(path)
    assert before == Row(1, "before")
    assert isinstance(invalid, InvalidRow)
    assert invalid.line == 2
    assert invalid.reason.startswith(reason)
    assert after == Row(3, "after")


@pytest.mark.parametrize("key", ["null", '""', "true", "1.5", "[1]"])
def test_a_row_without_the_expected_key_is_invalid(tmp_path: Path, key: str) -> None:
    path = write_file(tmp_path / "a.jsonl", f'{{"text": "a", "id": {key}}}\n{{"text": "b"}}\n')
    first, second = read(path, "text", "id")
    assert isinstance(first, InvalidRow)
    assert first.reason.startswith("its key 'id' is ")
    assert second == InvalidRow(2, "it has no 'id'")


@pytest.mark.parametrize("line", ["1,hello, how are you", "1"])
def test_a_csv_row_of_another_width_is_invalid_and_not_truncated(tmp_path: Path, line: str) -> None:
    path = write_file(tmp_path / "a.csv", f"id,text\n0,before\n{line}\n2,after\n")
    before, invalid, after = read(path)
    assert (before, after) == (Row(2, "before"), Row(4, "after"))
    assert isinstance(invalid, InvalidRow)
    assert invalid.line == 3
    assert "for 2 columns" in invalid.reason


@pytest.mark.parametrize("content", ["", "id,body\n1,x\n"])
def test_a_csv_without_the_column_is_refused_on_opening(tmp_path: Path, content: str) -> None:
    path = write_file(tmp_path / "a.csv", content)
    with pytest.raises(FileUnreadable, match=r"has no column 'text'; its columns are: .*\.$"):
        TextFile(str(path))


def test_a_byte_order_mark_is_not_part_of_the_first_column(tmp_path: Path) -> None:
    path = write_file(tmp_path / "a.csv", "\ufefftext\nhello\n")
    assert read(path) == [Row(2, "hello")]


def test_nul_surrogates_and_invalid_utf_8_are_replaced_and_noted(tmp_path: Path) -> None:
    paths = (
        (write_file(tmp_path / "a.csv", b"text\na\0b\n"), "nul_replaced"),
        (write_file(tmp_path / "a.txt", b"a\0b\n"), "nul_replaced"),
        (write_file(tmp_path / "a.jsonl", b'{"text": "a\\u0000b"}\n'), "nul_replaced"),
        (write_file(tmp_path / "b.jsonl", b'{"text": "a\\ud800b"}\n'), "surrogate_replaced"),
        (write_file(tmp_path / "b.csv", b"text\na\xffb\n"), "surrogate_replaced"),
        (write_file(tmp_path / "b.txt", b"a\xffb\n"), "surrogate_replaced"),
    )
    for path, note in paths:
        (row,) = read(path)
        assert isinstance(row, Row)
        job = new_job(row.text, source="test", max_chars=100)
        assert (job.text, job.notes) == ("a\N{REPLACEMENT CHARACTER}b", (note,))


def test_an_overlong_line_is_invalid_and_not_kept_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LONGEST_LINE", 10)
    path = write_file(tmp_path / "a.txt", "before\n" + "x" * 35 + "\nafter\n")
    assert read(path) == [
        Row(1, "before"),
        InvalidRow(2, "it has more than 10 characters"),
        Row(3, "after"),
    ]


def test_an_unclosed_quote_does_not_read_the_whole_file_as_one_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LONGEST_LINE", 100)
    path = write_file(tmp_path / "a.csv", 'text\nbefore\n"open\n' + "x\n" * 100)
    first, invalid = read(path)
    assert first == Row(2, "before")
    assert isinstance(invalid, InvalidRow)
    assert invalid.reason.startswith(
        "the rest of the file cannot be read: field larger than field limit"
    )


def test_every_complete_line_of_a_truncated_archive_is_read(tmp_path: Path) -> None:
    lines = [f"text {number} {json.dumps(str(number) * 7)}" for number in range(5_000)]
    path = write_file(tmp_path / "a.txt.gz", "\n".join(lines))
    path.write_bytes(path.read_bytes()[:-2_000])
    *rows, last = read(path)
    assert len(rows) > 1_000
    assert [row.text for row in rows if isinstance(row, Row)] == lines[: len(rows)]
    assert isinstance(last, InvalidRow)
    assert last.line == len(rows) + 1
    assert "cannot be read: Compressed file ended" in last.reason


def test_a_file_that_cannot_be_opened_is_reported_in_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    for path in (tmp_path / "absent.csv", folder, write_file(tmp_path / "a.csv.gz", "x")):
        if path.name == "a.csv.gz":
            path.write_bytes(b"not gzip")
        with pytest.raises(FileUnreadable, match=r"^.* cannot be read: .*[^.]\.$"):
            TextFile(str(path))


@pytest.mark.parametrize("name", ["a.xls", "a", "a.parquet.gz"])
def test_an_unknown_file_name_suffix_is_refused(name: str) -> None:
    with pytest.raises(FileUnreadable, match="name its format with --format"):
        files.format_of(name)


def test_the_fraction_read_grows_to_one(tmp_path: Path) -> None:
    path = write_file(tmp_path / "a.txt", "a text of some length\n" * 20_000)
    with TextFile(str(path)) as texts:
        fractions = [texts.fraction_read for _ in texts]
        assert texts.fraction_read == 1.0
    known = [fraction for fraction in fractions if fraction is not None]
    assert len(known) == 20_000
    assert known == sorted(known)
    assert known[0] < 0.1
