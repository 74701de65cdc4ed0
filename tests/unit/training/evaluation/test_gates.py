"""Gates: parsing, default bounds, results and their sentences."""

import json
import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import scipy.stats

from training.errors import TrainingError
from training.evaluation.calibration import reliability
from training.evaluation.gates import (
    GROUP_MEASURES,
    MEASURES,
    Gate,
    all_passed,
    default_gates,
    evaluate_gates,
    gate_values,
    latency_limits,
    override_gates,
    parse_gate,
)
from training.evaluation.metrics import Metrics, Parity, compute_metrics

SERVED = Metrics(
    *(737, 97, 0.99, 0.98, 0.95, 0.9648, 0.997),
    *(0.996, 0.973, 0.96),
)
EARLIER = Metrics(
    *(737, 97, 0.992, 0.99, 0.96, 0.98, 0.998),
    *(0.997, 0.979, 0.97),
)
MAJORITY = compute_metrics([1] * 97 + [0] * 640, [0.0] * 737)
BOUNDS = {"rows": 737, "negatives": 640, "chance_ece": 0.01, "max_tokens": 512}


def gates_of(**changes: Any) -> list[Gate]:
    return default_gates(**(BOUNDS | changes))


def values(compared: Metrics | None = None) -> dict[str, float]:
    return gate_values(
        SERVED,
        MAJORITY,
        Parity(largest_difference=0.004, changed_decisions=0.0, changed_reviews=0.0),
        reliability([1, 0] * 50, [0.99, 0.01] * 50),
        {"int8": 5_500_000, "saved_model": 21_700_000},
        {length: length / 10 for length in (16, 32, 64, 128, 256, 512)},
        compared,
    )


@pytest.mark.parametrize(
    ("text", "gate"),
    [
        ("f1>=0.95", Gate("f1", 0.95, at_least=True)),
        (" ece <= 2e-2 ", Gate("ece", 0.02, at_least=False)),
        ("latency_ms_512<=150", Gate("latency_ms_512", 150.0, at_least=False)),
        ("f1_drop<=-0.01", Gate("f1_drop", -0.01, at_least=False)),
    ],
)
def test_gate_is_parsed_from_measure_and_bound(text: str, gate: Gate) -> None:
    assert parse_gate(text) == gate
    assert parse_gate(gate.name) == gate


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is not a gate"),
        ("f1", "is not a gate"),
        ("f1=0.9", "is not a gate"),
        ("f1>0.9", "is not a gate"),
        ("f2>=0.9", "Unknown gate measure 'f2'; the measures are accuracy, "),
        ("f1>=high", "is not a number"),
        ("f1>=nan", "is not a number"),
        ("f1>=inf", "is not a number"),
    ],
)
def test_invalid_gate_is_reported_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence) as refused:
        parse_gate(text)
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)


def test_value_equal_to_the_bound_passes_and_value_beyond_fails() -> None:
    least, most = Gate("f1", 0.9, at_least=True), Gate("ece", 0.02, at_least=False)
    good = evaluate_gates({"f1": 0.9, "ece": 0.02}, [least, most])
    bad = evaluate_gates({"f1": 0.9 - 1e-9, "ece": 0.02 + 1e-9}, [least, most])
    assert [result.passed for result in good] == [True, True]
    assert [result.passed for result in bad] == [False, False]
    assert [result.outcome for result in (good[0], bad[0])] == ["passed", "failed"]
    assert good[0].sentence == "f1 is 0.9; the gate requires at least 0.9."


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_value_that_is_not_finite_fails_and_fits_into_json(value: float) -> None:
    results = evaluate_gates({"f1": value}, [Gate("f1", 0.9, True), Gate("f1", 0.9, False)])
    assert not any(result.passed for result in results)
    json.dumps([asdict(result) for result in results], allow_nan=False)


def test_gate_without_a_value_fails() -> None:
    (result,) = evaluate_gates({}, [Gate("f1", 0.9, at_least=True)])
    assert (result.passed, result.skipped, result.value) == (False, False, None)
    assert result.sentence == "f1 was not measured; the gate requires at least 0.9."


def test_only_comparison_without_an_earlier_version_is_skipped() -> None:
    gate = Gate("f1_drop", 0.01, at_least=False)
    (first,) = evaluate_gates({}, [gate])
    (not_measured,) = evaluate_gates({}, [gate], compared="toy/1.0.0")
    assert (first.passed, first.skipped, first.outcome) == (True, True, "skipped")
    assert "no earlier version" in first.sentence
    assert (not_measured.passed, not_measured.skipped) == (False, False)


def test_default_gates_pass_a_good_version_and_name_the_failed_measure() -> None:
    gates = gates_of()
    assert all_passed(evaluate_gates(values(), gates))
    assert all_passed(evaluate_gates(values(SERVED), gates, compared="toy/1.0.0"))
    worse = evaluate_gates(values(EARLIER), gates, compared="toy/1.0.0")
    assert [result.measure for result in worse if not result.passed] == ["f1_drop"]
    slow = evaluate_gates(values() | {"latency_ms_64": 25.1}, gates)
    assert [result.measure for result in slow if not result.passed] == ["latency_ms_64"]


def test_every_gate_measure_has_a_value() -> None:
    measured = values(EARLIER)
    assert set(measured) == set(MEASURES) - set(GROUP_MEASURES)
    assert measured["majority_errors"] == pytest.approx(0.01 * 737 / 97)
    assert (measured["int8_mb"], measured["saved_model_mb"]) == (5.5, 21.7)
    assert measured["latency_ms_64"] == 6.4
    assert measured["f1_drop"] == pytest.approx(0.0152)
    assert measured["accuracy_drop"] == pytest.approx(0.002)


def test_no_gates_do_not_count_as_passed() -> None:
    assert not all_passed([])


def test_default_bounds_are_those_of_the_specification() -> None:
    bounds = {gate.measure: gate.bound for gate in gates_of(rows=500_000)}
    assert bounds == {
        **{"accuracy": 0.95, "precision": 0.90, "recall": 0.90, "f1": 0.90},
        **{"changed_decisions": 0.0022, "ece": 0.02, "int8_mb": 125, "saved_model_mb": 500},
        **{"negative_recall": 0.90, "majority_errors": 0.75},
        **{"accuracy_drop": 0.01, "f1_drop": 0.01},
        **{"file_drop": 0.01, "source_drop": 0.01, "new_source_gain": 0.01},
        **{"latency_ms_16": 6.25, "latency_ms_32": 12.5, "latency_ms_64": 25},
        **{"latency_ms_128": 50, "latency_ms_256": 100, "latency_ms_512": 200},
    }


def test_latency_gates_end_at_the_model_length() -> None:
    latencies = [g.measure for g in gates_of(max_tokens=100) if g.measure.startswith("latency")]
    assert latencies == ["latency_ms_16", "latency_ms_32", "latency_ms_64"]
    assert latency_limits(gates_of(max_tokens=40)) == {16: 6.25, 32: 12.5}


@pytest.mark.parametrize(
    ("rows", "most"),
    [(100, 2), (333, 3), (737, 5), (810, 5), (4_793, 17), (10_000, 31)],
)
def test_changed_decisions_may_be_as_many_as_chance_gives(rows: int, most: int) -> None:
    assert most == scipy.stats.binom.ppf(0.99, rows, 0.002)
    (gate,) = (g for g in gates_of(rows=rows) if g.measure == "changed_decisions")
    assert gate.holds(most / rows)
    assert not gate.holds((most + 1) / rows)


def test_one_decision_may_change_on_the_smallest_split() -> None:
    (gate,) = (g for g in gates_of(rows=5) if g.measure == "changed_decisions")
    assert gate.holds(1 / 5)
    assert not gate.holds(2 / 5)


def test_chance_in_the_calibration_error_raises_its_bound() -> None:
    bounds = [
        next(g.bound for g in gates_of(chance_ece=chance) if g.measure == "ece")
        for chance in (0.0123, 0.04321)
    ]
    assert bounds == [0.02, 0.0433]


def passed(labels: list[int], probabilities: list[float]) -> dict[str, bool]:
    """Return which gates about the answers alone a version with these probabilities passes."""
    metrics, negatives = compute_metrics(labels, probabilities), labels.count(0)
    majority = compute_metrics(labels, [float(2 * sum(labels) >= len(labels))] * len(labels))
    measured = gate_values(
        metrics, majority, Parity(0.0, 0.0, 0.0), reliability(labels, probabilities), {}, {}, None
    )
    gates = gates_of(rows=len(labels), negatives=negatives, max_tokens=3)
    results = evaluate_gates(measured, gates)
    return {result.measure: result.passed for result in results if "_mb" not in result.measure}


@pytest.mark.parametrize("rows", [100, 450, 3_000])
@pytest.mark.parametrize("share", [0.01, 0.03, 0.13, 0.5, 0.87, 0.97, 0.99])
def test_constant_answer_fails_at_any_class_share(share: float, rows: int) -> None:
    positives = round(rows * share)
    labels = [1] * positives + [0] * (rows - positives)
    for answer in (share, 0.0, 1.0):
        results = passed(labels, [answer] * rows)
        assert not results["recall"] or not results["negative_recall"]
        assert not results["majority_errors"]


@pytest.mark.parametrize("share", [0.01, 0.03, 0.13, 0.5, 0.87, 0.97, 0.99])
def test_random_answer_of_the_right_frequency_fails_at_any_class_share(share: float) -> None:
    random = np.random.default_rng(3)
    labels = (random.random(2_000) < share).astype(int).tolist()
    answers = np.where(random.random(2_000) < share, 0.98, 0.02).tolist()
    assert not passed(labels, answers)["majority_errors"]


@pytest.mark.parametrize("share", [0.02, 0.13, 0.5, 0.87, 0.98])
def test_good_version_passes_at_any_class_share(share: float) -> None:
    positives = round(2_000 * share)
    labels = [1] * positives + [0] * (2_000 - positives)
    probabilities = [0.999 if label else 0.001 for label in labels]
    for first in (0, positives):
        probabilities[first] = 1 - probabilities[first]
    assert all(passed(labels, probabilities).values())


@pytest.mark.parametrize(("negatives", "may_miss"), [(1, 0), (2, 1), (3, 1), (10, 1), (40, 4)])
def test_one_of_few_negatives_may_be_missed_but_not_most(negatives: int, may_miss: int) -> None:
    (gate,) = (g for g in gates_of(negatives=negatives) if g.measure == "negative_recall")
    assert gate.holds(1 - may_miss / negatives)
    assert not gate.holds(1 - (may_miss + 1) / negatives)


def test_overrides_replace_gates_of_the_same_measure() -> None:
    defaults = [Gate("f1", 0.9, True), Gate("ece", 0.02, False)]
    changed = override_gates(defaults, [Gate("f1", 0.97, True), Gate("auc", 0.99, True)])
    assert [gate.name for gate in changed] == ["f1 >= 0.97", "ece <= 0.02", "auc >= 0.99"]
