import csv
import io
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.errors import FileUnreadable
from plumbline.files import csv_rows, lines
from plumbline.files.csv_rows import DELIMITERS, CsvFile, Record
from plumbline.files.lines import Line, Lines
from plumbline.files.rows import InvalidRow, Problem

OPEN = "the quote that opens in this line is not closed"


def read(
    content: str, columns: Sequence[str] = ("text",), delimiter: str | None = None
) -> tuple[list[str], list[Record | InvalidRow]]:
    source = Lines(io.StringIO(content, newline=""), "utf-8")
    table = CsvFile("a.csv", source, columns, delimiter)
    return table.header, list(table)


def rows(content: str, columns: Sequence[str] = ("text",)) -> list[tuple[int, list[str]]]:
    """Return the valid records; fail if there are others."""
    return [(row.line, row.values) for row in read(content, columns)[1] if isinstance(row, Record)]


def invalid(content: str) -> list[tuple[int, str]]:
    records = read(content)[1]
    return [(row.line, row.problem.value) for row in records if isinstance(row, InvalidRow)]


def test_open_quote_costs_its_own_row_alone() -> None:
    content = (
        'id,text\n1,See you at six\n2,"never closed\n3,third text\n4,fourth text\n'
        "5,WINNER claim your prize\n"
    )
    records = read(content)[1]
    assert records[1] == InvalidRow(3, OPEN)
    assert rows(content) == [
        (2, ["1", "See you at six"]),
        (4, ["3", "third text"]),
        (5, ["4", "fourth text"]),
        (6, ["5", "WINNER claim your prize"]),
    ]


@pytest.mark.parametrize(
    "later",
    [
        '4,"a proper text, quoted"',
        '4,"a ""quoted"" word, and more"',
        '4,he said "no" to me',
        '4,5" disk',
        '"4","everything is quoted"',
        '4,""',
        '4,"also open',
    ],
)
def test_later_quotes_do_not_close_an_open_quote(later: str) -> None:
    content = f'id,text\n2,"never closed\n3,third text\n{later}\n5,last\n'
    assert invalid(content)[0] == (2, "open_quote")
    assert (3, ["3", "third text"]) in rows(content)
    assert (5, ["5", "last"]) in rows(content)


def test_quote_left_open_after_a_text_of_several_lines() -> None:
    content = 'id,text,more\n1,"first\nsecond","open\n2,third,x\n'
    assert invalid(content) == [(3, "open_quote")]
    assert rows(content) == [(4, ["2", "third", "x"])]


def test_rest_of_a_broken_text_is_not_a_text() -> None:
    # A quote within the text ends it; what follows is neither closed nor without a quote.
    assert rows('text\n"He said\n"hi" to me\nand left"\nnext\n') == [(5, ["next"])]


@pytest.mark.parametrize("value", ['"a"b', '"a" ', '"a" "b"', '"He said "hi" to me"'])
def test_text_after_a_closing_quote_is_invalid(value: str) -> None:
    content = f"id,text\n1,{value}\n2,next\n"
    assert invalid(content) == [(2, "misplaced_quote")]
    assert rows(content) == [(3, ["2", "next"])]


def test_quoted_line_ends_and_doubled_quotes_are_part_of_a_text() -> None:
    content = 'id,text\r\n1,"a\r\nb\rc\nd ""e"""\r\n2,5" disk\r\n'
    assert rows(content) == [(2, ["1", 'a\r\nb\rc\nd "e"']), (6, ["2", '5" disk'])]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_is_one(end: str) -> None:
    assert rows(end.join(["id,text", "1,a\u2028b\x85c", "", "2,d"])) == [
        (2, ["1", "a\u2028b\x85c"]),
        (4, ["2", "d"]),
    ]


@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_delimiter_is_detected_by_the_columns(delimiter: str) -> None:
    header, records = read(
        f'id{delimiter}"text"{delimiter}a,b;c\n'.replace("a,b;c", "more")
        + f'1{delimiter}"a, b; c | d"{delimiter}\n'
    )
    assert header == ["id", "text", "more"]
    assert records == [Record(2, 2, ["1", "a, b; c | d", ""])]


def test_excel_names_its_delimiter() -> None:
    assert read('"sep=;"\r\nid;text\r\n1;a\r\n')[1] == [Record(3, 3, ["1", "a"])]
    assert read("sep=\t\nid\ttext\n1\ta\n")[1] == [Record(3, 3, ["1", "a"])]


def test_named_delimiter_is_used() -> None:
    assert read("id^text\n1^a\n", delimiter="^")[1] == [Record(2, 2, ["1", "a"])]
    assert read("text;id\na;1\n", ["text;id"], delimiter=",")[1] == [Record(2, 2, ["a;1"])]


def test_row_of_another_width_is_invalid() -> None:
    content = 'id,text\n1,hello, how are you\n2\n3,"a\nb",c\n4,d,\n5,e\n'
    first, second, third, fourth, last = read(content)[1]
    assert first == InvalidRow(
        2, "it has 3 values for 2 columns; a text with a comma needs quotes around it"
    )
    assert isinstance(second, InvalidRow) and second.reason.startswith("it has 1 value for 2")
    assert isinstance(third, InvalidRow) and "3 values up to line 5 for 2" in third.reason
    assert isinstance(fourth, InvalidRow)
    assert last == Record(7, 7, ["5", "e"])


def test_row_that_is_too_short_is_not_advised_to_quote_the_delimiter() -> None:
    (row,) = read("id;text\n1,hello\n")[1]
    assert isinstance(row, InvalidRow)
    assert row.reason.endswith("a text with a line break needs quotes around it")


def test_header_that_is_repeated_is_not_a_row() -> None:
    content = "id,text\n1,a\nid,text\n2,text\n"
    assert invalid(content) == [(3, "repeated_header")]
    assert rows(content) == [(2, ["1", "a"]), (4, ["2", "text"])]
    # In a file of one column, it may be a text.
    assert rows("text\ntext\n") == [(2, ["text"])]


def test_header_with_an_open_quote_is_refused() -> None:
    with pytest.raises(FileUnreadable, match=f"^a.csv, line 1: {OPEN}\\.$"):
        read('id,"text\n1,a\n')


def test_blank_lines_are_not_rows() -> None:
    assert rows("id,text\n1,a\n\n  \t\n2,b\n") == [(2, ["1", "a"]), (5, ["2", "b"])]
    # As spreadsheets write an empty row.
    assert rows('id;text\n;\n1;a\n"";""\n2;\n') == [(3, ["1", "a"]), (5, ["2", ""])]
    assert rows("text\n \n") == [(2, [" "])]


@pytest.mark.parametrize("content", ["", "\n\n", "id,text", "id,text\n\n", "\n\nid,text\n"])
def test_file_without_rows_has_none(content: str) -> None:
    assert read(content)[1] == []


def test_byte_order_marks_are_not_part_of_a_name() -> None:
    assert read("\ufefftext\na\n")[0] == ["text"]
    assert read('\ufeff"text"\na\n')[0] == ["text"]


def test_quotes_that_are_never_closed_are_read_in_linear_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = 0

    def count(self: Lines) -> Line | None:
        nonlocal taken
        taken += 1
        return take(self)

    take = Lines.take
    monkeypatch.setattr(Lines, "take", count)
    # Each line is open if it is read by itself, and also within the quote before it.
    records = read("text,more\n" + '",z","w\n' * 500)[1]
    assert [record.line for record in records] == list(range(2, 502))
    assert not any(isinstance(record, Record) for record in records)
    # If each were read up to the end of the file: 125,000.
    assert taken < 500 * (csv_rows.RECOVERED_LINES + 10)


def test_record_of_any_length_that_ends_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "line\n" * 5_000
    assert rows(f'id,text\n1,"{text}"\n') == [(2, ["1", text])]
    for module in (lines, csv_rows):
        monkeypatch.setattr(module, "LONGEST_LINE", 1_000)
    records = read(f'id,text\n1,"{text}"\n2,next\n3,{"x" * 2_000}\n4,last\n')[1]
    assert records[0] == InvalidRow(2, OPEN)
    assert records[-3:-1] == [
        Record(5_003, 5_003, ["2", "next"]),
        InvalidRow(5_004, "it has more than 1,000 characters"),
    ]
    assert records[-1] == Record(5_005, 5_005, ["4", "last"])


def test_undecodable_bytes_make_their_record_invalid() -> None:
    content = 'id,text\n1,"a\nb\udcff"\n2,c\n'
    first, second = read(content)[1]
    assert isinstance(first, InvalidRow)
    assert (first.line, first.problem) == (3, Problem.ENCODING)
    assert second == Record(4, 4, ["2", "c"])


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.text('a",;|\t\r\n ')),
        max_size=8,
    ),
    st.sampled_from(DELIMITERS),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_csv_writes_is_read_back(
    written: list[tuple[str, str]], delimiter: str, quoting: int
) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, quoting=quoting)  # type: ignore[arg-type]
    writer.writerows([("id", "text"), *written])
    header, records = read(file.getvalue())
    assert header == ["id", "text"]
    expected = [row for row in written if any(row)]
    assert [tuple(row.values) for row in records if isinstance(row, Record)] == expected
    assert len(records) == len(expected)
