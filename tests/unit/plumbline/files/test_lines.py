import io

import pytest

from plumbline.files import lines
from plumbline.files.lines import Line, Lines
from plumbline.files.rows import InvalidRow


def read(text: str) -> list[tuple[int, str | InvalidRow]]:
    return list(Lines(io.StringIO(text, newline=""), "utf-8"))


def test_lines_end_in_lf_cr_or_both_and_in_nothing_else() -> None:
    text = "a\nb\rc\r\nd\u2028e\u2029f\x85g\x0bh\x0ci\x1cj"
    assert read(text) == [(1, "a"), (2, "b"), (3, "c"), (4, "d\u2028e\u2029f\x85g\x0bh\x0ci\x1cj")]


def test_byte_order_marks_at_the_start_are_removed() -> None:
    assert read("\ufeffa\n\ufeffb") == [(1, "a"), (2, "\ufeffb")]
    assert read("\ufeff") == []


def test_only_the_last_line_may_be_the_mark_of_the_end() -> None:
    assert read("a\n\x1a") == [(1, "a")]
    assert read("\x1a\n" * 5_000 + "a") == [*((n, "\x1a") for n in range(1, 5_001)), (5_001, "a")]


def test_lines_are_given_back_in_order() -> None:
    source = Lines(io.StringIO("a\nb\nc\n"), "utf-8")
    first, second = source.take(), source.take()
    assert first is not None and second is not None
    source.give_back([first, second], recovered=True)
    assert source.take() == Line(1, "a\n", recovered=True)
    assert source.take() == Line(2, "b\n", recovered=True)
    assert source.take() == Line(3, "c\n")
    assert source.take() is None


def test_overlong_line_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LONGEST_LINE", 10)
    for end in ("\n", "\r", "\r\n"):
        assert read(end.join(["abc", "x" * 95, "d"])) == [
            (1, "abc"),
            (2, InvalidRow(2, "it has more than 10 characters")),
            (3, "d"),
        ]


def test_line_that_was_appended_in_utf_16_is_invalid() -> None:
    appended = "second line\n".encode("utf-16-le").decode()
    rows = read("first line\na\0b\n" + appended + "\n")
    assert [n for n, row in rows if isinstance(row, str)] == [1, 2]
    (invalid, *_) = [row for _, row in rows if isinstance(row, InvalidRow)]
    assert invalid.line == 3 and "UTF-16" in invalid.reason
