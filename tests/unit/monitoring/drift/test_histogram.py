from __future__ import annotations

import pytest

from monitoring.drift.histogram import BINS, label_histogram, number_histogram, shares

EDGES = [0.0, 1.0, 2.0, 3.0]
REFERENCE = [0.1, 0.2, 1.5, 2.5]


def test_both_sides_are_counted_in_the_same_bins() -> None:
    assert number_histogram(REFERENCE, [0.0, 0.9, 1.0, 2.5], EDGES) == {
        "edges": EDGES,
        "reference": [0.5, 0.25, 0.25],
        "window": [0.5, 0.25, 0.25],
    }


def test_a_value_on_the_last_edge_belongs_to_the_last_bin() -> None:
    assert number_histogram(REFERENCE, [3.0], EDGES)["window"] == [0.0, 0.0, 1.0]


def test_what_lies_outside_is_counted_in_the_outermost_bins() -> None:
    found = number_histogram(REFERENCE, [-5.0, 99.0, 99.0, 1.5], EDGES)
    assert found["window"] == [0.25, 0.25, 0.5]


def test_a_reference_without_bins_gets_its_own() -> None:
    found = number_histogram([2.0, 4.0], [2.0, 9.0])
    assert len(found["edges"]) == BINS + 1
    assert (found["edges"][0], found["edges"][-1]) == (2.0, 4.0)
    assert (found["window"][0], found["window"][-1]) == (0.5, 0.5)


def test_a_constant_has_bins_too() -> None:
    found = number_histogram([7.0, 7.0], [8.0])
    assert sum(found["reference"]) == sum(found["window"]) == 1.0


def test_labels_of_either_side_are_counted_on_both() -> None:
    found = label_histogram(["negative", "negative", "review"], ["positive", "negative"])
    assert found["labels"] == ["negative", "positive", "review"]
    assert found["reference"] == pytest.approx([2 / 3, 0, 1 / 3])
    assert found["window"] == [0.5, 0.5, 0]


def test_nothing_has_no_shares() -> None:
    assert shares([0, 0]) == [0.0, 0.0]
