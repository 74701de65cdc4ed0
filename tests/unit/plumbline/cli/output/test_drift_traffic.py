import uuid

from rich.console import Console

from plumbline.cli.output.drift_traffic import source_shares, sources_table, texts_table
from storage.reports.window_texts import UnfamiliarText


def printed(table: object) -> str:
    console = Console(width=80, record=True)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_source_has_its_share_of_both_sides() -> None:
    shares = source_shares([("new", 30), ("old", 10)], [("old", 90), ("gone", 10)])
    assert [(s.source, s.rows, s.share, s.reference_rows, s.reference_share) for s in shares] == [
        ("new", 30, 0.75, 0, 0.0),
        ("old", 10, 0.25, 90, 0.9),
        ("gone", 0, 0.0, 10, 0.1),
    ]


def test_profile_has_no_sources() -> None:
    (share,) = source_shares([("new", 30)], [])
    assert (share.share, share.reference_rows, share.reference_share) == (1.0, None, None)
    assert "reference" not in printed(sources_table([share]))


def test_small_sources_share_one_line() -> None:
    shares = source_shares([(f"s{number}", 10 - number) for number in range(10)], [])
    lines = printed(sources_table(shares)).splitlines()
    assert any(line.split()[:3] == ["2", "others", "3"] for line in lines)


def test_text_takes_one_line_and_obeys_no_terminal() -> None:
    text = UnfamiliarText(uuid.UUID(int=1), "shop", None, "review", 0.5, "a\nb\x1b[2J" + "x" * 300)
    lines = [line for line in printed(texts_table([text])).splitlines() if "shop" in line]
    assert len(lines) == 1 and len(lines[0]) <= 80
    assert "a\\nb\\x1b[2J" in lines[0]
    assert "key" not in printed(texts_table([text]))
