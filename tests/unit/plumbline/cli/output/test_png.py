from __future__ import annotations

import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row

from plumbline.cli.output import png
from plumbline.errors import ExtraMissing, FileUnwritable
from tests.drift_rows import AT, drift_report, drift_value

NUMBERS = {"edges": [0.0, 10.0, 20.0, 30.0], "reference": [0.9, 0.1, 0.0], "window": [0, 0, 1.0]}
LABELS = {"labels": ["no", "yes"], "reference": [0.8, 0.2], "window": [0.1, 0.9]}


def value(feature: str, histogram: dict[str, Any], *, drifted: bool = True) -> Row[Any]:
    return drift_value(feature, threshold=3.1, drifted=drifted, histogram=histogram)


def size(path: Path) -> tuple[int, int]:
    header = path.read_bytes()[:24]
    assert header.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", header[16:24])


def words(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


@pytest.mark.parametrize(("panels", "shown"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 6), (6, 6)])
def test_each_feature_has_a_panel_and_the_rest_of_the_grid_is_blank(
    panels: int, shown: int
) -> None:
    figure = png.report_figure(drift_report(), [value(f"f{n}", NUMBERS) for n in range(panels)])
    assert len(figure.axes) == shown
    assert sum(axes.axison for axes in figure.axes) == panels


def test_picture_names_the_report_the_feature_and_both_sides() -> None:
    report = drift_report(source="shop", verdict="too_little_data")
    texts = words(png.report_figure(report, [value("chars", NUMBERS)]))
    assert "Drift report 7 of m/1.0.0: too little data" in texts
    assert "chars" in texts
    assert "5.30 standard errors, threshold 3.10" in texts
    assert "reference: 718 validation texts of m/1.0.0" in texts
    period = "2026-01-02 03:04 to 2026-01-02 03:04 UTC"
    assert f"window: 1,500 texts from shop, {period}" in texts
    live = drift_report(reference="window", reference_from=AT, reference_to=AT)
    expected = f"reference: 718 texts from an earlier window, {period}"
    assert png.reference_label(live) == expected


def test_score_of_a_drifted_feature_has_another_color() -> None:
    colors = []
    for drifted in (True, False):
        figure = png.report_figure(drift_report(), [value("chars", NUMBERS, drifted=drifted)])
        colors += [text.get_color() for text in figure.axes[0].texts]
    assert colors == [png.RED, png.GRAY]


def test_both_sides_have_the_same_axes() -> None:
    numbers, labels = png.report_figure(
        drift_report(), [value("a", NUMBERS), value("b", LABELS)]
    ).axes
    reference, window = (patch.get_data() for patch in numbers.patches)
    assert list(reference.values) == NUMBERS["reference"]
    assert list(window.values) == NUMBERS["window"]
    assert list(reference.edges) == list(window.edges) == NUMBERS["edges"]
    heights = [patch.get_height() for patch in labels.patches]
    assert heights == [*LABELS["reference"], *LABELS["window"]]
    assert [label.get_text() for label in labels.get_xticklabels()] == LABELS["labels"]


def test_file_is_a_png_of_the_intended_resolution(tmp_path: Path) -> None:
    path = tmp_path / "drift.png"
    png.save_png(drift_report(), [value("chars", NUMBERS)], path)
    width, height = size(path)
    assert width == png.MIN_WIDTH * png.DPI and height > 600
    first = path.read_bytes()
    png.save_png(drift_report(), [value("chars", NUMBERS)], path)
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
def test_side_without_texts_is_drawn(histogram: dict[str, Any], tmp_path: Path) -> None:
    png.save_png(drift_report(), [value("chars", histogram)], tmp_path / "drift.png")
    assert size(tmp_path / "drift.png")[0] > 0


def test_every_source_name_can_be_drawn(tmp_path: Path) -> None:
    """It is not typeset as mathematics, and letters that the font lacks cause no warning."""
    for source in ("a $\\frac{1}{$ b", "$x$", "店铺 🙂", "a\nb\x1b[31m"):
        png.save_png(drift_report(source=source), [value("chars", NUMBERS)], tmp_path / "drift.png")
    assert "\n" not in png.window_label(drift_report(source="a\nb"))


def test_unwritable_file_is_reported_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileUnwritable, match=r"none/drift\.png cannot be written: No such file"):
        png.save_png(drift_report(), [value("chars", NUMBERS)], tmp_path / "none" / "drift.png")


def test_error_without_matplotlib_names_the_extra_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ExtraMissing, match=re.escape("A PNG needs plumbline-scoring[monitoring]")):
        png.save_png(drift_report(), [value("chars", NUMBERS)], tmp_path / "drift.png")


def test_command_line_does_not_import_matplotlib() -> None:
    modules = "plumbline.cli.commands.drift, plumbline.cli.output.png"
    script = f"import sys, plumbline.cli.app, {modules}; print('matplotlib' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert run.stdout == "False\n", run.stderr
