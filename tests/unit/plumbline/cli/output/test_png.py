from __future__ import annotations

import re
import struct
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from plumbline.cli.output import png
from plumbline.errors import ExtraMissing, FileUnwritable
from storage.tables import DriftReport, DriftValue

AT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
NUMBERS = {"edges": [0.0, 10.0, 20.0, 30.0], "reference": [0.9, 0.1, 0.0], "window": [0, 0, 1.0]}
LABELS = {"labels": ["no", "yes"], "reference": [0.8, 0.2], "window": [0.1, 0.9]}


def report(**fields: Any) -> DriftReport:
    given = {
        "id": 7, "model": "m/1.0.0", "source": None, "verdict": "too_little_data",
        "window_rows": 1_500, "window_from": AT, "window_to": AT, "reference": "profile",
        "reference_rows": 718, "reference_from": None, "reference_to": None,
    }  # fmt: skip
    return DriftReport(**given | fields)


def value(feature: str, histogram: dict[str, Any], *, drifted: bool = True) -> DriftValue:
    return DriftValue(
        report_id=7, feature=feature, method="mean-and-spread", value=5.3, threshold=3.1,
        drifted=drifted, histogram=histogram,
    )  # fmt: skip


def size(path: Path) -> tuple[int, int]:
    header = path.read_bytes()[:24]
    assert header.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", header[16:24])


def words(drawn: Any) -> list[str]:
    return [text.get_text() for text in drawn.findobj(lambda artist: hasattr(artist, "get_text"))]


@pytest.mark.parametrize(("panels", "shown"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 6), (6, 6)])
def test_each_feature_has_a_panel_and_what_is_over_is_blank(panels: int, shown: int) -> None:
    drawn = png.figure(report(), [value(f"f{n}", NUMBERS) for n in range(panels)])
    assert len(drawn.axes) == shown
    assert sum(axes.axison for axes in drawn.axes) == panels


def test_the_picture_says_what_it_shows() -> None:
    drawn = png.figure(report(source="shop"), [value("chars", NUMBERS)])
    said = words(drawn)
    assert "Drift report 7 of m/1.0.0: too little data" in said
    assert "chars" in said
    assert "5.30 standard errors, drifts above 3.10" in said
    assert "reference: 718 texts of training" in said
    span = "2026-01-02 03:04 to 2026-01-02 03:04 UTC"
    assert f"window: 1,500 texts of shop, {span}" in said
    live = report(reference="window", reference_from=AT, reference_to=AT)
    assert png.reference_told(live) == f"reference: 718 texts of an earlier window, {span}"


def test_what_drifted_is_told_in_another_color() -> None:
    told = []
    for drifted in (True, False):
        drawn = png.figure(report(), [value("chars", NUMBERS, drifted=drifted)])
        told += [text.get_color() for text in drawn.axes[0].texts]
    assert told == [png.RED, png.QUIET]


def test_both_sides_stand_on_the_same_axes() -> None:
    numbers, labels = png.figure(report(), [value("a", NUMBERS), value("b", LABELS)]).axes
    reference, window = (patch.get_data() for patch in numbers.patches)
    assert list(reference.values) == NUMBERS["reference"]
    assert list(window.values) == NUMBERS["window"]
    assert list(reference.edges) == list(window.edges) == NUMBERS["edges"]
    heights = [patch.get_height() for patch in labels.patches]
    assert heights == [*LABELS["reference"], *LABELS["window"]]
    assert [label.get_text() for label in labels.get_xticklabels()] == LABELS["labels"]


def test_the_file_is_a_png_as_sharp_as_it_should_be(tmp_path: Path) -> None:
    path = tmp_path / "drift.png"
    png.save(report(), [value("chars", NUMBERS)], path)
    width, height = size(path)
    assert width == png.NARROWEST * png.DPI and height > 600
    first = path.read_bytes()
    png.save(report(), [value("chars", NUMBERS)], path)
    assert path.read_bytes() == first
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "histogram",
    [
        NUMBERS | {"window": [0.0, 0.0, 0.0]},
        NUMBERS | {"reference": [0.0] * 3, "window": [0.0] * 3},
        {"labels": [], "reference": [], "window": []},
        {"labels": [f"label {n}" for n in range(9)], "reference": [0.1] * 9, "window": [0.1] * 9},
    ],
)
def test_a_side_without_texts_is_no_error(histogram: dict[str, Any], tmp_path: Path) -> None:
    png.save(report(), [value("chars", histogram)], tmp_path / "drift.png")
    assert size(tmp_path / "drift.png")[0] > 0


def test_any_source_can_be_named(tmp_path: Path) -> None:
    """Not as mathematics, and letters the font lacks are no warning."""
    for source in ("a $\\frac{1}{$ b", "$x$", "店铺 🙂", "a\nb\x1b[31m"):
        png.save(report(source=source), [value("chars", NUMBERS)], tmp_path / "drift.png")
    assert "\n" not in png.window_told(report(source="a\nb"))


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileUnwritable, match=r"none/drift\.png cannot be written: No such file"):
        png.save(report(), [value("chars", NUMBERS)], tmp_path / "none" / "drift.png")


def test_without_matplotlib_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ExtraMissing, match=re.escape("A PNG needs plumbline[monitoring]")):
        png.save(report(), [value("chars", NUMBERS)], tmp_path / "drift.png")


def test_the_command_line_does_without_it() -> None:
    script = "import sys, plumbline.cli.app, plumbline.cli.output.png; print('matplotlib' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert run.stdout == "False\n", run.stderr
