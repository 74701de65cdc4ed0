from __future__ import annotations

import pytest

from monitoring.drift.histogram import BINS, label_histogram, number_histogram, shares

EDGES = [0.0, 1.0, 2.0, 3.0]
REFERENCE = [0.1, 0.2, 1.5, 2.5]


def test_reference_and_window_are_counted_in_the_same_bins() -> None:
    assert number_histogram(REFERENCE, [0.0, 0.9, 1.0, 2.5], EDGES) == {
        "edges": EDGES,
        "reference": [0.5, 0.25, 0.25],
        "window": [0.5, 0.25, 0.25],
    }


def test_value_on_the_last_edge_is_in_the_last_bin() -> None:
    assert number_histogram(REFERENCE, [3.0], EDGES)["window"] == [0.0, 0.0, 1.0]


def test_values_outside_are_counted_in_the_outer_bins() -> None:
    histogram = number_histogram(REFERENCE, [-5.0, 99.0, 99.0, 1.5], EDGES)
    assert histogram["window"] == [0.25, 0.25, 0.5]


def test_default_bins_cover_the_range_of_the_reference() -> None:
    histogram = number_histogram([2.0, 4.0], [2.0, 9.0])
    assert len(histogram["edges"]) == BINS + 1
    assert (histogram["edges"][0], histogram["edges"][-1]) == (2.0, 4.0)
    assert (histogram["window"][0], histogram["window"][-1]) == (0.5, 0.5)


def test_constant_reference_has_bins() -> None:
    histogram = number_histogram([7.0, 7.0], [8.0])
    assert sum(histogram["reference"]) == sum(histogram["window"]) == 1.0


def test_labels_of_either_are_counted_in_both() -> None:
    histogram = label_histogram(["negative", "negative", "review"], ["positive", "negative"])
    assert histogram["labels"] == ["negative", "positive", "review"]
    assert histogram["reference"] == pytest.approx([2 / 3, 0, 1 / 3])
    assert histogram["window"] == [0.5, 0.5, 0]


def test_shares_of_a_total_of_zero_are_zero() -> None:
    assert shares([0, 0]) == [0.0, 0.0]
