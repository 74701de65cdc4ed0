from typing import Any

import pytest
from rich.style import Style
from sqlalchemy import Row

from plumbline.cli.output.plot import histograms
from tests.drift_rows import drift_value

NUMBERS = {
    "edges": [0.0, 10.0, 20.0, 30.0],
    "reference": [0.9, 0.1, 0.0],
    "window": [0.0, 0.0, 1.0],
}
LABELS = {
    "labels": ["negative", "positive", "review"],
    "reference": [0.8, 0.15, 0.05],
    "window": [0.1, 0.7, 0.2],
}


def value(feature: str, histogram: dict[str, list[object]]) -> Row[Any]:
    return drift_value(feature, histogram=histogram)


def bar_columns(lines: list[str]) -> list[int]:
    """The columns that contain a part of a bar."""
    width = max(map(len, lines))
    return [
        column
        for column in range(width)
        if any(column < len(line) and line[column] in "█▌▐▀▄▝▘▗▖▛▜▙▟" for line in lines)
    ]


def panels(picture: str) -> tuple[list[str], list[str]]:
    lines = picture.splitlines()
    start = next(number for number, line in enumerate(lines) if ", window" in line)
    return lines[1:start], lines[start + 1 :]


def test_both_panels_have_the_same_axis() -> None:
    picture = histograms(value("chars", NUMBERS), 80).plain
    assert "chars, reference" in picture
    reference, window = panels(picture)
    assert max(bar_columns(reference)) < min(bar_columns(window)) + 10
    assert min(bar_columns(window)) > 50
    assert reference[-1] == window[-1]


def test_every_bar_has_its_label() -> None:
    picture = histograms(value("decision", LABELS), 80).plain
    for label in ("negative", "positive", "review"):
        assert picture.count(label) == 2


@pytest.mark.parametrize("width", [20, 60])
def test_window_without_texts_is_an_empty_panel(width: int) -> None:
    empty = NUMBERS | {"window": [0.0, 0.0, 0.0]}
    picture = histograms(value("chars", empty), width).plain
    assert "chars, window" in picture


def test_two_empty_sides_are_drawn() -> None:
    nothing = NUMBERS | {"reference": [0.0] * 3, "window": [0.0] * 3}
    assert "chars" in histograms(value("chars", nothing), 80).plain


def test_picture_has_no_background() -> None:
    """A pale background hides the bars on a dark terminal."""
    picture = histograms(value("chars", NUMBERS), 60)
    assert picture.spans
    assert all(
        span.style.bgcolor is None for span in picture.spans if isinstance(span.style, Style)
    )
