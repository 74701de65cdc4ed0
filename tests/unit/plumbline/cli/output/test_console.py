import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from plumbline.cli.output.console import format_short_time, print_json, printable_text


def test_nothing_in_a_text_commands_the_terminal() -> None:
    text = "\x1b[31mred\x07 \u202eback\x00\r\nnext\x9b1m"
    assert printable_text(text, 200).plain == r"\x1b[31mred\x07 \u202eback\x00\r\nnext\x9b1m"


def test_markup_in_a_text_is_only_text() -> None:
    assert printable_text("[bold]x[/bold]").plain == "[bold]x[/bold]"


def test_emoji_and_other_scripts_stay() -> None:
    text = "こんにちは 👩‍👩‍👧 שלום"
    assert printable_text(text).plain == text


def test_a_long_text_is_shortened_visibly() -> None:
    assert printable_text("x" * 11, 10).plain == "x" * 9 + "…"
    assert printable_text("x" * 10, 10).plain == "x" * 10


def test_json_is_one_line_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    moment = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    print_json({"text": "a\nb \u2028 é", "at": moment, "id": uuid.UUID(int=1)})
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert json.loads(printed) == {
        "text": "a\nb \u2028 é",
        "at": "2026-01-02T03:04:00+00:00",
        "id": "00000000-0000-0000-0000-000000000001",
    }


def test_a_moment_of_today_is_a_time_and_another_a_date() -> None:
    now = datetime.now().astimezone().replace(hour=12)
    assert format_short_time(now, now) == f"{now:%H:%M:%S}"
    before = now - timedelta(days=1)
    assert format_short_time(before, now) == f"{before:%Y-%m-%d}"
