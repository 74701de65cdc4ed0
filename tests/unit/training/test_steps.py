"""Named steps, with and without a terminal."""

import io

import pytest
from rich.console import Console

from training.steps import Steps


def steps(width: int, terminal: bool) -> tuple[Steps, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=width, highlight=False)
    return Steps(console), out


def test_without_a_terminal_a_step_is_one_line_when_it_begins() -> None:
    shown, out = steps(20, terminal=False)
    name = "score 1,000 test texts with the int8 model"
    with shown.step(name):
        assert out.getvalue() == f"{name}\n"
        assert list(shown.track([1, 2])) == [1, 2]
    assert out.getvalue() == f"{name}\n"


@pytest.mark.parametrize("width", [60, 80, 200])
def test_on_a_terminal_the_time_left_is_visible_at_any_width(width: int) -> None:
    shown, out = steps(width, terminal=True)
    with shown.step("score 1,000 test texts [int8] and [/] with a name longer than any terminal"):
        tracked = shown.track([1, 2, 3])
        next(tracked)
        next(tracked)
        shown._bar.refresh()  # type: ignore[union-attr]
    printed = out.getvalue()
    assert "left" in printed
    assert "0:00:00" in printed
    assert "✓ score 1,000 test texts [int8] and [/]" in printed


def test_step_of_unknown_length_shows_no_time_left() -> None:
    shown, out = steps(80, terminal=True)
    with shown.step("convert to int8"):
        shown._bar.refresh()  # type: ignore[union-attr]
    assert "left" not in out.getvalue()


def test_a_step_that_fails_is_not_shown_as_done() -> None:
    shown, out = steps(80, terminal=True)
    with pytest.raises(ValueError, match="broken"), shown.step("convert"):
        raise ValueError("broken")
    assert "✓" not in out.getvalue()
    assert list(shown.track([1])) == [1]
