"""Gates: parsing, default bounds, results and their sentences."""

import json
import math
from dataclasses import asdict

import numpy as np
import pytest

from training.errors import TrainingError
from training.evaluation.calibration import reliability
from training.evaluation.gates import (
    MEASURES,
    Gate,
    all_passed,
    default_gates,
    evaluate_gates,
    gate_values,
    override_gates,
    parse_gate,
)
from training.evaluation.metrics import Metrics, Parity

SERVED = Metrics(
    rows=737, positives=97, accuracy=0.99, precision=0.98, recall=0.95, f1=0.9648, auc=0.997
)
EARLIER = Metrics(
    rows=737, positives=97, accuracy=0.992, precision=0.99, recall=0.96, f1=0.98, auc=0.998
)


def values(compared: Metrics | None = None) -> dict[str, float]:
    return gate_values(
        SERVED,
        Parity(largest_difference=0.004, changed_decisions=0.0),
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
    gates = default_gates(rows=737, max_tokens=512)
    assert all_passed(evaluate_gates(values(), gates))
    assert all_passed(evaluate_gates(values(SERVED), gates, compared="toy/1.0.0"))
    worse = evaluate_gates(values(EARLIER), gates, compared="toy/1.0.0")
    assert [result.measure for result in worse if not result.passed] == ["f1_drop"]
    slow = evaluate_gates(values() | {"latency_ms_64": 25.1}, gates)
    assert [result.measure for result in slow if not result.passed] == ["latency_ms_64"]


def test_every_gate_measure_has_a_value() -> None:
    measured = values(EARLIER)
    assert set(measured) == set(MEASURES)
    assert (measured["int8_mb"], measured["saved_model_mb"]) == (5.5, 21.7)
    assert measured["latency_ms_64"] == 6.4
    assert measured["f1_drop"] == pytest.approx(0.0152)
    assert measured["accuracy_drop"] == pytest.approx(0.002)


def test_no_gates_do_not_count_as_passed() -> None:
    assert not all_passed([])


def test_default_bounds_are_those_of_the_specification() -> None:
    bounds = {gate.measure: gate.bound for gate in default_gates(rows=10_000, max_tokens=512)}
    assert bounds == {
        **{"accuracy": 0.95, "precision": 0.90, "recall": 0.90, "f1": 0.90},
        **{"changed_decisions": 0.002, "ece": 0.02, "int8_mb": 125, "saved_model_mb": 500},
        **{"accuracy_drop": 0.01, "f1_drop": 0.01},
        **{"latency_ms_16": 6.25, "latency_ms_32": 12.5, "latency_ms_64": 25},
        **{"latency_ms_128": 50, "latency_ms_256": 100, "latency_ms_512": 200},
    }


def test_latency_gates_end_at_the_model_length() -> None:
    latencies = [g.measure for g in default_gates(737, 100) if g.measure.startswith("latency")]
    assert latencies == ["latency_ms_16", "latency_ms_32", "latency_ms_64"]


def test_one_changed_decision_passes_and_two_fail() -> None:
    for rows in (110, 300, 333):
        (gate,) = (g for g in default_gates(rows, 512) if g.measure == "changed_decisions")
        assert gate.holds(1 / rows)
        assert not gate.holds(2 / rows)


@pytest.mark.parametrize("rows", [150, 400, 1_500])
def test_calibrated_model_rarely_fails_the_ece_gate_by_chance(rows: int) -> None:
    """Labels are drawn with exactly the predicted probabilities, at an accuracy of 0.95."""
    (gate,) = (g for g in default_gates(rows, 512) if g.measure == "ece")
    random = np.random.default_rng(rows)
    failed = 0
    for _ in range(300):
        logits = 3.4 * random.choice([-1, 1], rows) + random.normal(scale=1.2, size=rows)
        scores = 1 / (1 + np.exp(-logits))
        labels = (random.random(rows) < scores).astype(int)
        failed += not gate.holds(reliability(labels.tolist(), scores.tolist()).ece)
    assert failed <= 9


def test_overrides_replace_gates_of_the_same_measure() -> None:
    defaults = [Gate("f1", 0.9, True), Gate("ece", 0.02, False)]
    changed = override_gates(defaults, [Gate("f1", 0.97, True), Gate("auc", 0.99, True)])
    assert [gate.name for gate in changed] == ["f1 >= 0.97", "ece <= 0.02", "auc >= 0.99"]
