"""Gates: what they are written as, what they ask for, and what they say."""

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
    default_gates,
    judge,
    measured,
    override,
    parse,
    passed,
)
from training.evaluation.metrics import Metrics, Parity

SERVED = Metrics(
    rows=737, positives=97, accuracy=0.99, precision=0.98, recall=0.95, f1=0.9648, auc=0.997
)
EARLIER = Metrics(
    rows=737, positives=97, accuracy=0.992, precision=0.99, recall=0.96, f1=0.98, auc=0.998
)


def measures(parent: Metrics | None = None) -> dict[str, float]:
    return measured(
        SERVED,
        Parity(largest_difference=0.004, changed_decisions=0.0),
        reliability([1, 0] * 50, [0.99, 0.01] * 50),
        {"int8": 5_500_000, "saved_model": 21_700_000},
        {length: length / 10 for length in (16, 32, 64, 128, 256, 512)},
        parent,
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
def test_a_gate_is_a_measure_and_a_bound(text: str, gate: Gate) -> None:
    assert parse(text) == gate
    assert parse(gate.name) == gate


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is no gate"),
        ("f1", "is no gate"),
        ("f1=0.9", "is no gate"),
        ("f1>0.9", "is no gate"),
        ("f2>=0.9", "no measure 'f2' for a gate; there is: accuracy, "),
        ("f1>=high", "is no number"),
        ("f1>=nan", "is no number"),
        ("f1>=inf", "is no number"),
    ],
)
def test_nonsense_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence) as refused:
        parse(text)
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)


def test_a_bound_itself_is_passed_and_a_hair_beyond_is_not() -> None:
    least, most = Gate("f1", 0.9, at_least=True), Gate("ece", 0.02, at_least=False)
    good = judge({"f1": 0.9, "ece": 0.02}, [least, most])
    bad = judge({"f1": 0.9 - 1e-9, "ece": 0.02 + 1e-9}, [least, most])
    assert [result.passed for result in good] == [True, True]
    assert [result.passed for result in bad] == [False, False]
    assert good[0].sentence == "f1 is 0.9, and at least 0.9 is wanted."


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_no_number_fails_and_fits_into_json(value: float) -> None:
    results = judge({"f1": value}, [Gate("f1", 0.9, True), Gate("f1", 0.9, False)])
    assert not any(result.passed for result in results)
    json.dumps([asdict(result) for result in results], allow_nan=False)


def test_what_was_not_measured_fails() -> None:
    (result,) = judge({}, [Gate("f1", 0.9, at_least=True)])
    assert (result.passed, result.skipped, result.value) == (False, False, None)
    assert result.sentence == "f1 was not measured, and at least 0.9 is wanted."


def test_only_a_comparison_without_a_parent_is_skipped() -> None:
    gate = Gate("f1_drop", 0.01, at_least=False)
    (alone,) = judge({}, [gate])
    (forgotten,) = judge({}, [gate], parent="toy/1.0.0")
    assert (alone.passed, alone.skipped) == (True, True)
    assert "no earlier version" in alone.sentence
    assert (forgotten.passed, forgotten.skipped) == (False, False)


def test_the_defaults_pass_a_good_version_and_name_what_is_bad() -> None:
    gates = default_gates(rows=737, max_tokens=512)
    assert passed(judge(measures(), gates))
    assert passed(judge(measures(SERVED), gates, parent="toy/1.0.0"))
    worse = judge(measures(EARLIER), gates, parent="toy/1.0.0")
    assert [result.measure for result in worse if not result.passed] == ["f1_drop"]
    slow = judge(measures() | {"latency_ms_64": 25.1}, gates)
    assert [result.measure for result in slow if not result.passed] == ["latency_ms_64"]


def test_every_measure_can_be_measured() -> None:
    found = measures(EARLIER)
    assert set(found) == set(MEASURES)
    assert (found["int8_mb"], found["saved_model_mb"]) == (5.5, 21.7)
    assert found["latency_ms_64"] == 6.4
    assert found["f1_drop"] == pytest.approx(0.0152)
    assert found["accuracy_drop"] == pytest.approx(0.002)


def test_no_gates_prove_nothing() -> None:
    assert not passed([])


def test_the_defaults_are_the_specification() -> None:
    bounds = {gate.measure: gate.bound for gate in default_gates(rows=10_000, max_tokens=512)}
    assert bounds == {
        **{"accuracy": 0.95, "precision": 0.90, "recall": 0.90, "f1": 0.90},
        **{"changed_decisions": 0.002, "ece": 0.02, "int8_mb": 125, "saved_model_mb": 500},
        **{"accuracy_drop": 0.01, "f1_drop": 0.01},
        **{"latency_ms_16": 6.25, "latency_ms_32": 12.5, "latency_ms_64": 25},
        **{"latency_ms_128": 50, "latency_ms_256": 100, "latency_ms_512": 200},
    }


def test_a_length_the_model_does_not_read_is_not_asked_for() -> None:
    latencies = [g.measure for g in default_gates(737, 100) if g.measure.startswith("latency")]
    assert latencies == ["latency_ms_16", "latency_ms_32", "latency_ms_64"]


def test_a_single_changed_decision_fits_and_two_do_not() -> None:
    for rows in (110, 300, 333):
        (gate,) = (g for g in default_gates(rows, 512) if g.measure == "changed_decisions")
        assert gate.holds(1 / rows)
        assert not gate.holds(2 / rows)


@pytest.mark.parametrize("rows", [150, 400, 1_500])
def test_chance_alone_seldom_fails_a_calibrated_model(rows: int) -> None:
    """Labels drawn with the very probabilities told, at an accuracy of 0.95."""
    (gate,) = (g for g in default_gates(rows, 512) if g.measure == "ece")
    random = np.random.default_rng(rows)
    failed = 0
    for _ in range(300):
        logits = 3.4 * random.choice([-1, 1], rows) + random.normal(scale=1.2, size=rows)
        scores = 1 / (1 + np.exp(-logits))
        labels = (random.random(rows) < scores).astype(int)
        failed += not gate.holds(reliability(labels.tolist(), scores.tolist()).ece)
    assert failed <= 9


def test_given_gates_replace_those_of_the_same_measure() -> None:
    defaults = [Gate("f1", 0.9, True), Gate("ece", 0.02, False)]
    changed = override(defaults, [Gate("f1", 0.97, True), Gate("auc", 0.99, True)])
    assert [gate.name for gate in changed] == ["f1 >= 0.97", "ece <= 0.02", "auc >= 0.99"]
