import pytest

from plumbline.cli.output.row_errors import PRINTED_ERRORS, RowErrors


def test_every_row_is_counted_and_the_first_ones_are_kept() -> None:
    errors = RowErrors()
    for line in range(1, 1_000):
        errors.add(line, "invalid")
    assert errors.count == 999
    assert [line for line, _ in errors.first] == list(range(1, PRINTED_ERRORS + 1))


def test_remaining_rows_are_printed_as_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    errors = RowErrors()
    for line in range(1, PRINTED_ERRORS + 3):
        errors.add(line, "its [key] is empty")
    errors.print()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "  line 1: its [key] is empty"
    assert lines[-1] == "  ... and 2 more"
    assert len(lines) == PRINTED_ERRORS + 1


def test_kinds_are_printed_if_the_first_rows_do_not_show_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    errors = RowErrors()
    for line in range(1, PRINTED_ERRORS + 3):
        errors.add(line, "it is not JSON", "not_json")
    errors.add(1_000, "its [key] is empty", "invalid_key")
    errors.print()
    *_, more, first, second = capsys.readouterr().out.splitlines()
    assert more == "  ... and 3 more"
    assert first == "  not json: 7 (lines 1, 2, 3, 4, 5 and 2 more)"
    assert second == "  invalid key: 1 (line 1,000)"
