import gzip
import io
import json
from pathlib import Path

import pytest

from plumbline import files
from plumbline.errors import FileUnreadable
from plumbline.files import BadRow, Columns, Format, Row, Texts
from plumbline_client.new_job import new_job


def read(path: Path | str, *columns: str, format: Format | None = None) -> list[Row | BadRow]:
    with Texts(str(path), format, Columns(*columns)) as texts:
        return list(texts)


def written(path: Path, content: str | bytes) -> Path:
    raw = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_a_plain_file_is_one_text_a_line(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name, "one\n\ntwo, with a comma\r\nthree")
    assert read(path) == [Row(1, "one"), Row(3, "two, with a comma"), Row(4, "three")]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_csv_has_texts_and_keys_in_columns(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name, 'id,body\n7,"a, b\nc"\n\n8,d\n')
    assert read(path, "body", "id") == [Row(2, "a, b\nc", "7"), Row(5, "d", "8")]


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.jsonl.gz"])
def test_json_lines_have_texts_and_keys(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name, '{"text": "a", "id": 7}\n\n{"text": "b", "id": "x"}\n')
    assert read(path, "text", "id") == [Row(1, "a", "7"), Row(3, "b", "x")]


def test_parquet_has_texts_and_keys(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"text": ["a", None, "c"], "id": [1, 2, 3], "more": [0.1, 0.2, 0.3]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet", "text", "id") == [
        Row(1, "a", "1"),
        BadRow(2, "its 'text' is null, not a text"),
        Row(3, "c", "3"),
    ]


def test_parquet_without_the_column_is_refused(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    pyarrow.parquet.write_table(pyarrow.table({"a": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(FileUnreadable, match=r"no column 'text'; its columns are: a\.$"):
        Texts(str(tmp_path / "a.parquet"))


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow.parquet")
    path = written(tmp_path / "a.parquet", "no parquet")
    with pytest.raises(FileUnreadable, match=r"a\.parquet cannot be read: .*\.$"):
        Texts(str(path))


def test_standard_input_is_text_unless_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
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
        ('"a"', "it is a text, not a JSON object"),
        ("{}", "it has no 'text'"),
        ('{"text": null}', "its 'text' is null, not a text"),
        ('{"text": 5}', "its 'text' is a number, not a text"),
        ('{"text": {"a": 1}}', "its 'text' is an object, not a text"),
        ("[" * 200_000, "it is not JSON: "),
        ("9" * 10_000, "it is not JSON: "),
    ],
)
def test_a_bad_json_line_costs_only_itself(tmp_path: Path, line: str, reason: str) -> None:
    path = written(tmp_path / "a.jsonl", f'{{"text": "before"}}\n{line}\n{{"text": "after"}}\n')
    before, bad, after = read(path)
    assert before == Row(1, "before")
    assert isinstance(bad, BadRow)
    assert bad.line == 2
    assert bad.reason.startswith(reason)
    assert after == Row(3, "after")


@pytest.mark.parametrize("key", ["null", '""', "true", "1.5", "[1]"])
def test_where_keys_are_wanted_a_row_without_one_is_bad(tmp_path: Path, key: str) -> None:
    path = written(tmp_path / "a.jsonl", f'{{"text": "a", "id": {key}}}\n{{"text": "b"}}\n')
    first, second = read(path, "text", "id")
    assert isinstance(first, BadRow)
    assert first.reason.startswith("its key 'id' is ")
    assert second == BadRow(2, "it has no 'id'")


@pytest.mark.parametrize("line", ["1,hello, how are you", "1"])
def test_a_csv_row_of_another_width_is_bad_and_never_cut(tmp_path: Path, line: str) -> None:
    path = written(tmp_path / "a.csv", f"id,text\n0,before\n{line}\n2,after\n")
    before, bad, after = read(path)
    assert (before, after) == (Row(2, "before"), Row(4, "after"))
    assert isinstance(bad, BadRow)
    assert bad.line == 3
    assert "for 2 columns" in bad.reason


@pytest.mark.parametrize("content", ["", "id,body\n1,x\n"])
def test_a_csv_without_the_column_is_refused_at_once(tmp_path: Path, content: str) -> None:
    path = written(tmp_path / "a.csv", content)
    with pytest.raises(FileUnreadable, match=r"has no column 'text'; its columns are: .*\.$"):
        Texts(str(path))


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "\ufefftext\nhello\n")
    assert read(path) == [Row(2, "hello")]


def test_nul_surrogates_and_bytes_that_are_no_utf_8_survive_and_are_noted(tmp_path: Path) -> None:
    paths = (
        (written(tmp_path / "a.csv", b"text\na\0b\n"), "nul_replaced"),
        (written(tmp_path / "a.txt", b"a\0b\n"), "nul_replaced"),
        (written(tmp_path / "a.jsonl", b'{"text": "a\\u0000b"}\n'), "nul_replaced"),
        (written(tmp_path / "b.jsonl", b'{"text": "a\\ud800b"}\n'), "surrogate_replaced"),
        (written(tmp_path / "b.csv", b"text\na\xffb\n"), "surrogate_replaced"),
        (written(tmp_path / "b.txt", b"a\xffb\n"), "surrogate_replaced"),
    )
    for path, note in paths:
        (row,) = read(path)
        assert isinstance(row, Row)
        job = new_job(row.text, source="test", max_chars=100)
        assert (job.text, job.notes) == ("a\N{REPLACEMENT CHARACTER}b", (note,))


def test_a_line_beyond_all_measure_is_bad_and_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LONGEST_LINE", 10)
    path = written(tmp_path / "a.txt", "before\n" + "x" * 35 + "\nafter\n")
    assert read(path) == [
        Row(1, "before"),
        BadRow(2, "it has more than 10 characters"),
        Row(3, "after"),
    ]


def test_a_quote_left_open_does_not_swallow_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LONGEST_LINE", 100)
    path = written(tmp_path / "a.csv", 'text\nbefore\n"open\n' + "x\n" * 100)
    first, bad = read(path)
    assert first == Row(2, "before")
    assert isinstance(bad, BadRow)
    assert bad.reason.startswith("from here on it cannot be read: field larger than field limit")


def test_of_a_cut_off_archive_all_that_can_be_read_is(tmp_path: Path) -> None:
    lines = [f"text {number} {json.dumps(str(number) * 7)}" for number in range(5_000)]
    path = written(tmp_path / "a.txt.gz", "\n".join(lines))
    path.write_bytes(path.read_bytes()[:-2_000])
    *rows, last = read(path)
    assert len(rows) > 1_000
    assert [row.text for row in rows if isinstance(row, Row)] == lines[: len(rows)]
    assert isinstance(last, BadRow)
    assert last.line == len(rows) + 1
    assert "cannot be read: Compressed file ended" in last.reason


def test_what_cannot_be_opened_is_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    for path in (tmp_path / "absent.csv", folder, written(tmp_path / "a.csv.gz", "x")):
        if path.name == "a.csv.gz":
            path.write_bytes(b"no gzip")
        with pytest.raises(FileUnreadable, match=r"^.* cannot be read: .*[^.]\.$"):
            Texts(str(path))


@pytest.mark.parametrize("name", ["a.xls", "a", "a.parquet.gz"])
def test_an_unknown_kind_of_file_is_refused(name: str) -> None:
    with pytest.raises(FileUnreadable, match="say what it is with --format"):
        files.format_of(name)


def test_how_much_was_read_grows_to_all_of_it(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", "a text of some length\n" * 20_000)
    with Texts(str(path)) as texts:
        shares = [texts.share_read for _ in texts]
        assert texts.share_read == 1.0
    known = [share for share in shares if share is not None]
    assert len(known) == 20_000
    assert known == sorted(known)
    assert known[0] < 0.1
