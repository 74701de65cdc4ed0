import io
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from rich.text import Text

from plumbline.cli.output.console import (
    VisibleConsole,
    column_table,
    count_table,
    format_short_time,
    printable_text,
    property_table,
)


def test_text_cannot_control_the_terminal() -> None:
    text = "\x1b[31mred\x07 \u202eback\x00\r\nnext\x9b1m"
    assert printable_text(text, 200).plain == r"\x1b[31mred\x07 \u202eback\x00\r\nnext\x9b1m"


def printed(*values: Any) -> str:
    console = VisibleConsole(file=io.StringIO(), width=200, color_system="standard")
    console.print(*values)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("wrap", [str, Text], ids=["str", "Text"])
def test_console_prints_markup_and_controls_literally(wrap: Callable[[str], Any]) -> None:
    hostile = "[red]x[/red] [link=http://evil]y[/link] :warning: \x1b[31m\x9b1m\u202e\u200b"
    shown = r"[red]x[/red] [link=http://evil]y[/link] :warning: \x1b[31m\x9b1m\u202e\u200b"
    assert printed(wrap(hostile)) == shown + "\n"


def test_tables_show_markup_and_controls_literally() -> None:
    hostile, shown = "[red]x[/red] \x1b[31m\u202e\n", r"[red]x[/red] \x1b[31m\u202e\n"
    table = column_table("name")
    table.add_row(hostile)
    assert shown in printed(table)
    titled = property_table(hostile)
    titled.add_row("a", "b" * 60)
    assert shown in printed(titled)


def test_a_string_stays_on_its_line() -> None:
    assert printed("source: a\nforged") == "source: a\\nforged\n"


def test_styles_of_our_own_are_kept() -> None:
    console = VisibleConsole(file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(Text("drift", style="red"))
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "\x1b[31mdrift\x1b[0m\n"


def test_spaces_of_typography_are_spaces() -> None:
    assert printable_text("prix\xa0: 5\u3000").plain == "prix : 5 "


def test_markup_in_a_text_is_not_interpreted() -> None:
    assert printable_text("[bold]x[/bold]").plain == "[bold]x[/bold]"


def test_emoji_and_other_scripts_are_unchanged() -> None:
    text = "こんにちは 👩‍👩‍👧 שלום"
    assert printable_text(text).plain == text


def test_long_text_is_shortened_visibly() -> None:
    assert printable_text("x" * 11, 10).plain == "x" * 9 + "…"
    assert printable_text("x" * 10, 10).plain == "x" * 10


def test_time_of_today_is_a_clock_time_and_an_earlier_one_a_date() -> None:
    now = datetime.now().astimezone().replace(hour=12)
    assert format_short_time(now, now) == f"{now:%H:%M:%S}"
    yesterday = now - timedelta(days=1)
    assert format_short_time(yesterday, now) == f"{yesterday:%Y-%m-%d}"


def test_count_of_zero_is_left_out_except_accepted() -> None:
    notes = {"accepted": "", "known": "already", "rejected": "not scored"}
    table = count_table({"accepted": 0, "known": 0, "rejected": 2_000}, notes)
    assert [list(column.cells) for column in table.columns] == [
        ["accepted", "rejected"],
        ["0", "2,000"],
        ["", "not scored"],
    ]
