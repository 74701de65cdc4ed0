import gzip
import io
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.errors import FileUnreadable
from plumbline.files import Columns, Format, InvalidRow, ReadOptions, Row, TextFile, lines
from plumbline_client.new_job import new_job

# Without a time, so that the names of the tests are the same in every process.
PACKED_TWICE = gzip.compress(gzip.compress(b"a\n", mtime=0), mtime=0)


def read(
    path: Path | str,
    *columns: str,
    format: Format | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
) -> list[Row | InvalidRow]:
    options = ReadOptions.parse(encoding, delimiter)
    with TextFile(str(path), format, Columns(*columns), options) as texts:
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


def test_nul_and_lone_surrogates_are_replaced_and_noted(tmp_path: Path) -> None:
    paths = (
        (write_file(tmp_path / "a.csv", b"text\na\0b\n"), "nul_replaced"),
        (write_file(tmp_path / "a.txt", b"a\0b\n"), "nul_replaced"),
        (write_file(tmp_path / "a.jsonl", b'{"text": "a\\u0000b"}\n'), "nul_replaced"),
        (write_file(tmp_path / "b.jsonl", b'{"text": "a\\ud800b"}\n'), "surrogate_replaced"),
    )
    for path, note in paths:
        (row,) = read(path)
        assert isinstance(row, Row)
        job = new_job(row.text, source="test", max_chars=100)
        assert (job.text, job.notes) == ("a\N{REPLACEMENT CHARACTER}b", (note,))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", b"before\na\xffb\nafter\n"),
        ("a.csv", b"text\nbefore\na\xffb\nafter\n"),
        ("a.jsonl", b'{"text":"before"}\n{"text":"a\xffb"}\n{"text":"after"}\n'),
    ],
)
def test_line_that_is_not_utf_8_is_invalid_and_the_others_are_read(
    tmp_path: Path, name: str, content: bytes
) -> None:
    before, invalid, after = read(write_file(tmp_path / name, content))
    assert isinstance(before, Row) and before.text == "before"
    assert isinstance(invalid, InvalidRow) and invalid.problem == "wrong_encoding"
    assert invalid.reason == "it has bytes that are not UTF-8; correct it, or name --encoding"
    assert isinstance(after, Row) and after.text == "after"


TEXTS = ["Grüße aus Köln", "Schöne Feier", "Bis später"]


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"]
)
@pytest.mark.parametrize("format", ["txt", "csv", "jsonl"])
def test_byte_order_mark_names_the_encoding(tmp_path: Path, encoding: str, format: str) -> None:
    mark = "\ufeff" if encoding.endswith("e") else ""
    content = (mark + as_format(format)).encode(encoding)
    for name in (f"a.{format}", f"a.{format}.gz"):
        rows = read(write_file(tmp_path / name, content))
        assert [row.text for row in rows if isinstance(row, Row)] == TEXTS
        # The mark is stronger than an encoding named for files without one.
        assert read(tmp_path / name, encoding="cp1252") == rows


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16-le", "utf-32-be", "cp500"])
@pytest.mark.parametrize("format", ["txt", "csv", "jsonl"])
def test_other_encodings_are_refused_until_they_are_named(
    tmp_path: Path, encoding: str, format: str
) -> None:
    path = write_file(tmp_path / f"a.{format}", as_format(format).encode(encoding))
    with pytest.raises(FileUnreadable, match=r"^[^\n]* is [^\n]*\.$") as caught:
        read(path)
    if encoding != "cp500":
        assert "--encoding" in str(caught.value)
    rows = read(path, encoding=encoding)
    assert [row.text for row in rows if isinstance(row, Row)] == TEXTS


@pytest.mark.parametrize("encoding", ["shift_jis", "gb18030", "euc_kr", "iso2022_jp", "big5"])
def test_characters_of_several_bytes_are_read_across_blocks(tmp_path: Path, encoding: str) -> None:
    texts = [("漢字一二三" + "a" * (number % 7)) * 40 for number in range(500)]
    path = write_file(tmp_path / "a.txt", "\n".join(texts).encode(encoding))
    rows = read(path, encoding=encoding)
    assert [row.text for row in rows if isinstance(row, Row)] == texts


def test_bytes_that_the_named_encoding_lacks_make_their_line_invalid(tmp_path: Path) -> None:
    for encoding, broken in (
        ("cp1252", b"\x81"),
        ("ascii", b"\xe9"),
        ("shift_jis", b"\x81\xff"),
        ("utf-16-le", b"\x00\xdca\x00"),
    ):
        end = "\n".encode(encoding)
        content = end.join(["one".encode(encoding), broken, "two".encode(encoding)]) + end
        first, invalid, last = read(write_file(tmp_path / "a.txt", content), encoding=encoding)
        assert (first, last) == (Row(1, "one"), Row(3, "two"))
        assert isinstance(invalid, InvalidRow) and "bytes that are not" in invalid.reason


def as_format(format: str) -> str:
    lines = {"txt": TEXTS, "csv": ["text", *TEXTS]}.get(format) or [
        json.dumps({"text": text}, ensure_ascii=False) for text in TEXTS
    ]
    return "\r\n".join(lines) + "\r\n"


def test_an_overlong_line_is_invalid_and_not_kept_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LONGEST_LINE", 10)
    path = write_file(tmp_path / "a.txt", "before\n" + "x" * 35 + "\nafter\n")
    assert read(path) == [
        Row(1, "before"),
        InvalidRow(2, "it has more than 10 characters"),
        Row(3, "after"),
    ]


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


@pytest.mark.parametrize(
    ("content", "format", "kind"),
    [
        (b"%PDF-1.7\n%\xe2\xe3", Format.TEXT, "a PDF document, not text"),
        (b"PK\x03\x04 etc", Format.CSV, "a ZIP archive, such as .xlsx or .docx, not text"),
        (b"\x89PNG\r\n\x1a\n", Format.TEXT, "a PNG image, not text"),
        (b"PAR1\x15\x04PAR1", Format.CSV, "a Parquet file, not text; add --format parquet"),
        (b"SQLite format 3\0", Format.JSONL, "an SQLite database, not text"),
        (PACKED_TWICE, Format.TEXT, "gzip data within gzip data"),
        (gzip.compress(b"\x7fELF\x02", mtime=0), Format.TEXT, "a program (ELF), not text"),
        (bytes(100), Format.TEXT, "binary data, not text"),
        (bytes(range(256)) * 9, Format.TEXT, "binary data, not text"),
        (b"\xc3\xff\n" * 9, Format.TEXT, "not UTF-8 text"),
        (b"PK\x03\x04 etc", Format.PARQUET, "a ZIP archive, such as .xlsx or .docx, not a Parquet"),
        (gzip.compress(b"text\na\n", mtime=0), Format.PARQUET, "cannot be read"),
    ],
)
def test_what_is_not_text_is_refused_and_named(
    tmp_path: Path, content: bytes, format: Format, kind: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(FileUnreadable) as caught:
        read(path, format=format)
    assert f"{path} " in str(caught.value) and kind in str(caught.value)


def test_gzip_is_detected_under_any_name(tmp_path: Path) -> None:
    for name in ("a.csv", "a.csv.gz"):
        (tmp_path / name).write_bytes(gzip.compress(b"text\n") + gzip.compress(b"hello\n"))
        assert read(tmp_path / name) == [Row(2, "hello")]
    (tmp_path / "empty.txt.gz").write_bytes(b"")
    assert read(tmp_path / "empty.txt.gz") == []


def test_gzip_is_detected_on_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    content = gzip.compress("één\ntwo\n".encode())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert read("-") == [Row(1, "één"), Row(2, "two")]


def test_closed_standard_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(FileUnreadable, match="Standard input is closed"):
        read("-")


def test_pipe_is_read_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as pipe, os.fdopen(writer, "wb", buffering=0) as end:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(pipe))
        end.write(b"first\n")
        with TextFile("-") as texts:
            rows = iter(texts)
            assert next(rows) == Row(1, "first")
            end.write(b"second\n")
            assert next(rows) == Row(2, "second")


def test_text_has_no_columns(tmp_path: Path) -> None:
    path = write_file(tmp_path / "a.txt", "a\n")
    with pytest.raises(FileUnreadable, match=r"one text per line, so it has no column 'id'"):
        read(path, "text", "id")


def test_last_line_may_be_the_mark_of_the_end(tmp_path: Path) -> None:
    assert read(write_file(tmp_path / "a.txt", "a\r\n\x1a")) == [Row(1, "a")]
    assert read(write_file(tmp_path / "a.csv", "id,text\r\n1,a\r\n\x1a")) == [Row(2, "a")]
    assert read(write_file(tmp_path / "b.txt", "\x1a\nb")) == [Row(1, "\x1a"), Row(2, "b")]


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.tuples(
            st.sampled_from([b"", b"text\n", b"id,text\n", b"\xff\xfe", b"\x1f\x8b\x08", b"PAR1"]),
            st.lists(
                st.sampled_from(
                    [b'"', b",", b"\n", b"\r", b"a", b"\xe9", b"\xc3\xa9", b"\0", b'{"text": "x"}']
                ),
                max_size=60,
            ),
        ).map(lambda parts: parts[0] + b"".join(parts[1])),
    ),
    st.sampled_from(Format),
)
def test_no_bytes_are_read_as_a_text_that_they_do_not_contain(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, format: Format
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz"
    path.write_bytes(content)
    try:
        rows = read(path, format=format)
    except FileUnreadable as error:
        assert str(error).endswith(".") and "\n" not in str(error)
        return
    if not content.startswith((b"\xff\xfe", b"\xfe\xff", b"\x1f\x8b")):
        for row in rows:
            if isinstance(row, Row) and format is not Format.JSONL:
                # A quote within a quoted CSV value is written twice.
                assert row.text.replace('"', "").encode() in content.replace(b'"', b"")


def test_the_fraction_read_grows_to_one(tmp_path: Path) -> None:
    path = write_file(tmp_path / "a.txt", "a text of some length\n" * 20_000)
    with TextFile(str(path)) as texts:
        fractions = [texts.fraction_read for _ in texts]
        assert texts.fraction_read == 1.0
    known = [fraction for fraction in fractions if fraction is not None]
    assert len(known) == 20_000
    assert known == sorted(known)
    assert known[0] < 0.1
