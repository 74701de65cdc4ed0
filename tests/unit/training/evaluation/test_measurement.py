"""Measuring the shipped version with predictions that are simple enough to check by hand."""

import json
from pathlib import Path

import pytest

from scoring.artifact.artifact import Artifact
from tests.measured_version import MEASURED
from tests.paths import MODELS, SHIPPED
from training.data.examples import Example
from training.evaluation import measurement
from training.evaluation.baselines import baselines
from training.evaluation.gates import Gate
from training.evaluation.measurement import (
    ComparedAnswers,
    ComparedVersion,
    Measurement,
    measure_compared_version,
    measure_version,
)
from training.evaluation.predictions import PairedPredictions, Predictions

LABELS = [1, 1, 0, 0]
# The int8 model misses the second positive text, which the float32 model finds.
TEST = PairedPredictions(
    int8=Predictions(LABELS, [[4.0], [-4.0], [-4.0], [-4.0]]),
    float32=Predictions(LABELS, [[4.0], [4.0], [-4.0], [-4.0]]),
    tokens=[3, 20, 3, 3],
)
EXAMPLES = [
    Example(f"text {number}", label, source=source)
    for number, (label, source) in enumerate(
        zip(LABELS, ["app", "app", "shop", "shop"], strict=True)
    )
]
VALIDATION = Predictions(LABELS, [[-4.0], [-4.0], [4.0], [4.0]])


def measure(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    gates: list[Gate],
    compared: ComparedAnswers | None = None,
) -> Measurement:
    monkeypatch.setattr(measurement, "measure_latency", lambda *_, limits_ms: {16: 1.5})
    (tmp_path / "variables").mkdir()
    (tmp_path / "saved_model.pb").write_bytes(b"x" * 1_000)
    (tmp_path / "variables" / "variables.index").write_bytes(b"x" * 234)
    return measure_version(
        Artifact.load(SHIPPED),
        tmp_path,
        validation=VALIDATION,
        examples=EXAMPLES,
        test=TEST,
        baselines=baselines(EXAMPLES, EXAMPLES),
        calibration=MEASURED.calibration,
        compared=compared,
        gates=gates,
    )


def test_each_split_and_model_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = measure(tmp_path, monkeypatch, [])
    accuracies = (measured.int8.accuracy, measured.float32.accuracy, measured.validation.accuracy)
    assert accuracies == (0.75, 1.0, 0.0)
    assert (measured.confusion.tp, measured.confusion.fn, measured.confusion.tn) == (1, 1, 2)
    assert measured.parity.changed_decisions == 0.25
    assert [row.confusion.fn for row in measured.by_length] == [0, 1]
    assert measured.sizes == {
        "int8": (SHIPPED / "model.int8.tflite").stat().st_size,
        "saved_model": 1_234,
    }
    assert measured.latency_ms == {16: 1.5}


def test_gates_are_the_defaults_and_the_overrides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = ComparedAnswers(
        ComparedVersion("toy/1.0.0", MEASURED.int8), [0.9, 0.9, 0.1, 0.1], frozenset({"app"})
    )
    measured = measure(tmp_path, monkeypatch, [Gate("accuracy", 0.7, at_least=True)], earlier)
    gates = {gate.measure: gate for gate in measured.gates}
    assert (gates["accuracy"].bound, gates["accuracy"].passed) == (0.7, True)
    assert (gates["recall"].value, gates["recall"].passed) == (0.5, False)
    drop = gates["accuracy_drop"]
    assert drop.value == pytest.approx(MEASURED.int8.accuracy - 0.75)
    assert (drop.passed, drop.skipped) == (False, False)
    of_groups = {gate.name: gate for gate in measured.gates if gate.subject}
    assert set(of_groups) == {
        *("source_drop of app <= 0.01", "source_drop of shop <= 0.01"),
        "new_source_gain of shop >= 0.01",
    }
    # One of four texts is too little evidence.
    assert of_groups["source_drop of app <= 0.01"].value == 0.0


def test_comparison_is_skipped_without_an_earlier_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gates = measure(tmp_path, monkeypatch, []).gates
    skipped = {gate.measure for gate in gates if gate.skipped}
    assert skipped == {"accuracy_drop", "f1_drop", "source_drop", "new_source_gain"}


def test_every_result_is_beside_the_baselines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = measure(tmp_path, monkeypatch, [])
    assert [baseline.name for baseline in measured.baselines] == ["majority", "TF-IDF"]
    assert measured.baselines[0].metrics.balanced_accuracy == 0.5
    assert {group.name: group.rows for group in measured.groups} == {"app": 2, "shop": 2}
    assert [error.file for error in measured.worst_errors] == [""]
    kept = measured.for_manifest()
    assert kept["baselines"]["TF-IDF"]["metrics"]["rows"] == 4
    assert "text 1" not in json.dumps(kept)


def test_earlier_version_is_measured_on_the_same_texts() -> None:
    texts = [
        Example("WINNER! Claim your free 1000 cash prize, call 09095550142 now", 1),
        Example("Ok c u at the bus stop then", 0),
        # The wrong label makes one error.
        Example("Sorry, was in the shower. What did you want to ask me?", 1),
    ]
    answers = measure_compared_version(MODELS, "sms-spam", texts)
    compared = answers.version
    assert [round(probability) for probability in answers.probabilities] == [1, 0, 0]
    # It was trained before sources were recorded.
    assert answers.sources == frozenset()
    assert compared.model == "sms-spam/1.0.0"
    assert (compared.metrics.rows, compared.metrics.positives) == (3, 2)
    assert compared.metrics.accuracy == pytest.approx(2 / 3)
