from __future__ import annotations

import pytest

from monitoring.drift.histogram import label_histogram, number_histogram
from monitoring.drift.histogram_plot import histogram_plot


def test_sides_of_unequal_size_are_compared_by_their_shares() -> None:
    plot = histogram_plot(number_histogram([0.0, 1.0] * 500, [1.0] * 3, [0.0, 0.5, 1.0]))
    reference, window = plot["data"]
    assert (reference["name"], reference["y"]) == ("reference", [0.5, 0.5])
    assert (window["name"], window["y"]) == ("window", [0.0, 1.0, 1.0])
    assert plot["layout"]["yaxis"]["tickformat"] == ".0%"


def test_steps_of_the_window_span_the_bins_of_the_reference() -> None:
    plot = histogram_plot(number_histogram([0.0, 4.0], [3.0], [0.0, 1.0, 4.0]))
    reference, window = plot["data"]
    assert reference["x"] == [0.5, 2.5] and reference["width"] == [1.0, 3.0]
    assert window["x"] == [0.0, 1.0, 4.0] and len(window["y"]) == 3


def test_labels_stand_side_by_side() -> None:
    plot = histogram_plot(label_histogram(["no"] * 9 + ["yes"], ["yes", "no"]))
    assert [side["x"] for side in plot["data"]] == [["no", "yes"]] * 2
    assert plot["data"][0]["y"] == pytest.approx([0.9, 0.1])
    assert plot["data"][1]["y"] == [0.5, 0.5]
    assert plot["layout"]["barmode"] == "group"
