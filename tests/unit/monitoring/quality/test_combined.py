"""Estimates from a random sample of labels and all predictions, against simulated truths."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from monitoring.quality.combined import (
    LabelledSums,
    Side,
    Stratum,
    calibrated_metrics,
    combined_metrics,
)
from monitoring.quality.estimated import (
    UNDEFINED,
    CalibrationErrors,
    ErrorSums,
    EstimatedMetric,
    ObservedErrors,
    WindowSums,
    estimated_metrics,
)
from scoring.intervals import wilson
from storage.states import Metric

ROWS, LABELS, TRIALS = 500, 50, 100
# 700 validation texts with as many errors as their probabilities predict.
CALIBRATION = CalibrationErrors(
    700, ObservedErrors(rows=300, expected=9.0, errors=9.0), ObservedErrors(400, 12.0, 12.0)
)
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


def calibrated_window(random: np.random.Generator) -> tuple[Floats, Bools]:
    """Return probabilities with about 3% errors, and which predictions are wrong."""
    wrong = np.where(random.random(ROWS) < 0.15, random.uniform(0.05, 0.3, ROWS), 0.003)
    probabilities = np.where(random.random(ROWS) < 0.4, 1.0 - wrong, wrong)
    return probabilities, random.random(ROWS) < wrong


def drifted_window(random: np.random.Generator) -> tuple[Floats, Bools]:
    """Return the same probabilities, of which 15% of the most confident are wrong as well."""
    probabilities, errors = calibrated_window(random)
    return probabilities, errors | (random.random(ROWS) < 0.15)


def sample(random: np.random.Generator, labels: int = LABELS) -> Bools:
    labelled = np.zeros(ROWS, dtype=np.bool_)
    labelled[random.choice(ROWS, labels, replace=False)] = True
    return labelled


def covers(metric: EstimatedMetric, truth: float) -> bool:
    assert metric.low is not None and metric.high is not None
    return metric.low - 1e-9 <= truth <= metric.high + 1e-9


def half_width(metric: EstimatedMetric) -> float:
    assert metric.low is not None and metric.high is not None
    return (metric.high - metric.low) / 2


@pytest.mark.parametrize("window", [calibrated_window, drifted_window])
def test_combined_interval_holds_the_truth_whether_or_not_the_texts_drifted(window: object) -> None:
    random = np.random.default_rng(3)
    covered, differences = 0, []
    for _ in range(TRIALS):
        probabilities, errors = window(random)  # type: ignore[operator]
        stratum = Stratum.of(probabilities, errors, sample(random))
        accuracy = combined_metrics([stratum])[Metric.ACCURACY]
        truth = 1.0 - errors.mean()
        covered += covers(accuracy, truth)
        assert accuracy.value is not None
        differences.append(accuracy.value - truth)
    assert covered >= 0.93 * TRIALS
    assert abs(np.mean(differences)) < 0.012, "three standard errors"


def test_calibration_makes_the_interval_of_texts_like_validation_less_than_half_as_wide() -> None:
    random = np.random.default_rng(5)
    covered, ratios = 0, []
    for _ in range(TRIALS):
        probabilities, errors = calibrated_window(random)
        labelled = sample(random)
        stratum = Stratum.of(probabilities, errors, labelled)
        accuracy = calibrated_metrics([stratum], CALIBRATION)[Metric.ACCURACY]
        if accuracy == UNDEFINED:
            continue
        covered += covers(accuracy, 1.0 - errors.mean())
        labels_alone = wilson(LABELS - int(errors[labelled].sum()), LABELS)
        ratios.append(half_width(accuracy) / ((labels_alone.high - labels_alone.low) / 2))
    assert len(ratios) >= 0.95 * TRIALS, "the labels seldom contradict a calibration that is right"
    assert covered >= 0.93 * len(ratios)
    assert np.mean(ratios) < 0.5


def test_labels_that_contradict_the_calibration_leave_it_out() -> None:
    probabilities = np.full(ROWS, 0.99)
    labelled = np.arange(ROWS) < LABELS
    errors = np.arange(ROWS) % 5 == 0
    stratum = Stratum.of(probabilities, errors, labelled)
    assert calibrated_metrics([stratum], CALIBRATION) == dict.fromkeys(Metric, UNDEFINED)


def test_calibrated_metrics_need_labels_and_a_calibration() -> None:
    probabilities, errors = calibrated_window(np.random.default_rng(1))
    nothing = dict.fromkeys(Metric, UNDEFINED)
    labelled, unlabelled = np.ones(ROWS, dtype=np.bool_), np.zeros(ROWS, dtype=np.bool_)
    assert calibrated_metrics([Stratum.of(probabilities, errors, labelled)], None) == nothing
    assert calibrated_metrics([Stratum.of(probabilities, errors, unlabelled)], CALIBRATION) == (
        nothing
    )
    assert combined_metrics([Stratum.of(probabilities, errors, unlabelled)]) == nothing
    assert combined_metrics([]) == calibrated_metrics([], CALIBRATION) == nothing


def test_labels_of_all_texts_leave_no_uncertainty() -> None:
    probabilities, errors = drifted_window(np.random.default_rng(2))
    stratum = Stratum.of(probabilities, errors, np.ones(ROWS, dtype=np.bool_))
    positive = probabilities >= 0.5
    true_positives = (positive & ~errors).sum()
    expected = {
        Metric.ACCURACY: 1.0 - errors.mean(),
        Metric.PRECISION: true_positives / positive.sum(),
        Metric.RECALL: true_positives / (true_positives + (~positive & errors).sum()),
    }
    metrics = combined_metrics([stratum])
    for metric, truth in expected.items():
        estimate = metrics[metric]
        assert estimate.value == pytest.approx(truth)
        assert estimate.low == estimate.value == estimate.high


def test_sources_are_weighted_by_their_texts() -> None:
    """A source of 450 texts without errors, and one of 50 of which half are wrong."""
    right = Side(ErrorSums(450, 4.5, 0.045), LabelledSums(25, 0, 0.25, 0.0025, 0.0))
    wrong = Side(ErrorSums(50, 0.5, 0.005), LabelledSums(25, 12, 0.25, 0.0025, 0.12))
    nothing = Side(ErrorSums(0, 0.0, 0.0), LabelledSums())
    accuracy = combined_metrics([Stratum(right, nothing), Stratum(wrong, nothing)])[Metric.ACCURACY]
    assert accuracy.value == pytest.approx(1.0 - 50 * (12 / 25) / 500)
    assert covers(accuracy, 0.95) and not covers(accuracy, 0.74), "12 of 50 labels were wrong"


def test_predicted_label_without_labels_is_unknown() -> None:
    positive = Side(ErrorSums(30, 1.0, 0.1), LabelledSums())
    negative = Side(ErrorSums(470, 3.0, 0.1), LabelledSums(50, 0, 0.3, 0.01, 0.0))
    metrics = combined_metrics([Stratum(positive, negative)])
    assert half_width(metrics[Metric.PRECISION]) > 0.45
    assert half_width(metrics[Metric.ACCURACY]) < 0.04


def test_probabilities_that_follow_the_errors_narrow_the_interval() -> None:
    """Ten of the 50 labelled rows are wrong: those of the ten highest probabilities, or others."""
    side = ErrorSums(500, 100.0, 60.0)
    followed = Side(side, LabelledSums(50, 10, 10.0, 6.0, 6.0))
    unrelated = Side(side, LabelledSums(50, 10, 10.0, 6.0, 2.0))
    nothing = Side(ErrorSums(0, 0.0, 0.0), LabelledSums())
    narrow, wide = (
        combined_metrics([Stratum(positive, nothing)])[Metric.ACCURACY]
        for positive in (followed, unrelated)
    )
    assert narrow.value == wide.value == pytest.approx(0.8)
    assert half_width(narrow) < 0.85 * half_width(wide)


def test_calibrated_metrics_without_errors_agree_with_the_estimate() -> None:
    probabilities, errors = calibrated_window(np.random.default_rng(8))
    labelled = np.zeros(ROWS, dtype=np.bool_)
    labelled[np.flatnonzero(~errors)[:1]] = True
    calibrated = calibrated_metrics([Stratum.of(probabilities, errors, labelled)], CALIBRATION)
    estimated = estimated_metrics(WindowSums.of(probabilities), CALIBRATION)
    assert calibrated[Metric.ACCURACY].value == pytest.approx(
        estimated[Metric.ACCURACY].value, abs=0.002
    )
