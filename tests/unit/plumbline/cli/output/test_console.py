from datetime import datetime, timedelta

from plumbline.cli.output.console import count_table, format_short_time, printable_text


def test_text_cannot_control_the_terminal() -> None:
    text = "\x1b[31mred\x07 \u202eback\x00\r\nnext\x9b1m"
    assert printable_text(text, 200).plain == r"\x1b[31mred\x07 \u202eback\x00\r\nnext\x9b1m"


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
