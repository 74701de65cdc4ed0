from typing import Any

import numpy as np
import pytest

from monitoring.quality.estimated import (
    UNDEFINED,
    CalibrationErrors,
    ErrorSums,
    EstimatedMetric,
    ObservedErrors,
    WindowSums,
    estimated_metrics,
    with_noise,
)
from scoring.artifact.profile import Profile
from storage.states import Metric

VALIDATION = {"rows": 700, "positives": 100, "accuracy": 0.99, "recall": 0.96}


def sums_of(*probabilities: float) -> WindowSums:
    return WindowSums.of(np.array(probabilities, dtype=np.float64))


def test_expected_confusion_matrix_is_a_sum_of_probabilities() -> None:
    sums = sums_of(0.9, 0.6, 0.5, 0.2, 0.1)
    assert sums.positive.rows == 3 and sums.negative.rows == 2
    assert sums.positive.wrong == pytest.approx(0.1 + 0.4 + 0.5)
    assert sums.positive.squares == pytest.approx(0.01 + 0.16 + 0.25)
    assert sums.negative.wrong == pytest.approx(0.3)
    assert sums.rows == 5


def test_metrics_follow_from_the_expected_confusion_matrix() -> None:
    """By hand: TP 2.0, FP 1.0, FN 0.3, TN 1.7."""
    metrics = estimated_metrics(sums_of(0.9, 0.6, 0.5, 0.2, 0.1))
    values = {metric: estimate.value for metric, estimate in metrics.items()}
    assert values[Metric.ACCURACY] == pytest.approx(3.7 / 5)
    assert values[Metric.PRECISION] == pytest.approx(2.0 / 3)
    assert values[Metric.RECALL] == pytest.approx(2.0 / 2.3)
    assert values[Metric.F1] == pytest.approx(4.0 / 5.3)


def test_metrics_of_an_empty_window_are_undefined() -> None:
    assert estimated_metrics(sums_of()) == dict.fromkeys(Metric, UNDEFINED)


def test_precision_without_a_predicted_positive_is_undefined() -> None:
    metrics = estimated_metrics(sums_of(0.2, 0.1))
    assert metrics[Metric.PRECISION] == UNDEFINED
    assert metrics[Metric.RECALL].value == 0.0
    assert metrics[Metric.F1].value == 0.0


def test_recall_without_a_possible_positive_is_undefined() -> None:
    metrics = estimated_metrics(sums_of(0.0, 0.0, 0.0))
    assert metrics[Metric.RECALL] == metrics[Metric.F1] == metrics[Metric.PRECISION] == UNDEFINED
    assert metrics[Metric.ACCURACY].value == metrics[Metric.ACCURACY].low == 1.0


def test_accuracy_of_one_row_is_between_0_and_1() -> None:
    accuracy = estimated_metrics(sums_of(0.7))[Metric.ACCURACY]
    assert accuracy.value == pytest.approx(0.7)
    assert (accuracy.low, accuracy.high) == (0.0, 1.0)


def test_constant_probabilities_give_a_binomial_interval() -> None:
    """1,000 texts at 0.9: accuracy 0.9 ± 1.96 sqrt(0.09 / 1,000)."""
    accuracy = estimated_metrics(sums_of(*[0.9] * 1_000))[Metric.ACCURACY]
    assert accuracy.value == pytest.approx(0.9)
    assert accuracy.low == pytest.approx(0.9 - 0.0186, abs=0.003)
    assert accuracy.high == pytest.approx(0.9 + 0.0186, abs=0.003)


def test_same_window_has_the_same_interval() -> None:
    window = sums_of(*np.random.default_rng(3).random(200))
    assert estimated_metrics(window) == estimated_metrics(window)


def test_19_of_20_intervals_contain_the_realized_value() -> None:
    """Labels are drawn from the probabilities, which is the definition of calibrated."""
    random = np.random.default_rng(5)
    contained = dict.fromkeys(Metric, 0)
    for _ in range(200):
        probabilities = random.beta(0.3, 0.9, 300)
        labels = random.random(300) < probabilities
        metrics = estimated_metrics(WindowSums.of(probabilities))
        for metric, value in realized_values(probabilities >= 0.5, labels).items():
            estimate = metrics[metric]
            assert estimate.low is not None and estimate.high is not None
            contained[metric] += estimate.low <= value <= estimate.high
    # 190 ± three standard deviations; rounding to whole counts makes it somewhat more.
    assert all(181 <= count <= 200 for count in contained.values()), contained


def realized_values(predicted: Any, labels: Any) -> dict[Metric, float]:
    tp, fp, fn = (
        (predicted & labels).sum(),
        (predicted & ~labels).sum(),
        (~predicted & labels).sum(),
    )
    return {
        Metric.ACCURACY: float((predicted == labels).mean()),
        Metric.PRECISION: float(tp / (tp + fp)),
        Metric.RECALL: float(tp / (tp + fn)),
        Metric.F1: float(2 * tp / (2 * tp + fp + fn)),
    }


def calibration(expected: float, errors: float, rows: float = 1_000) -> CalibrationErrors:
    observed = ObservedErrors(rows, expected, errors)
    return CalibrationErrors(int(2 * rows), observed, observed)


def test_errors_as_expected_change_no_value_and_few_errors_widen_the_interval() -> None:
    window = sums_of(*[0.98] * 300, *[0.02] * 2_000)
    plain, few, many = (
        estimated_metrics(window, errors)
        for errors in (None, calibration(4.0, 4.0, 200), calibration(400.0, 400.0, 20_000))
    )
    for metric in Metric:
        assert few[metric].value == pytest.approx(plain[metric].value)
        assert many[metric].value == pytest.approx(plain[metric].value)
        assert width(few[metric]) > 1.4 * width(many[metric])
        assert width(many[metric]) == pytest.approx(width(plain[metric]), rel=0.25)


def test_more_errors_than_expected_are_noise_in_every_text() -> None:
    """99 errors where 49 were expected of 1,000: twice the rate, so 4.9% of labels are noise."""
    metrics = estimated_metrics(sums_of(*[0.99] * 100), calibration(49.0, 99.0))
    assert metrics[Metric.ACCURACY].value == pytest.approx(0.99 - 0.049 * 0.98)


def test_noise_in_the_sums_equals_noise_in_each_row() -> None:
    probabilities = np.array([0.01, 0.2, 0.4])
    noisy = probabilities * (1 - 0.03) + (1 - probabilities) * 0.03
    assert with_noise(ErrorSums.of(probabilities), 0.03) == ErrorSums(
        3, pytest.approx(noisy.sum()), pytest.approx((noisy * noisy).sum())
    )


def test_noise_changes_nothing_at_probability_one_half() -> None:
    metrics = estimated_metrics(sums_of(*[0.5] * 100), calibration(49.0, 99.0))
    assert metrics[Metric.ACCURACY].value == 0.5


def test_correction_does_not_exceed_an_accuracy_of_1() -> None:
    """Half as many errors as expected, in a window of more confident predictions."""
    accuracy = estimated_metrics(sums_of(*[0.999] * 100), calibration(99.0, 49.0))[Metric.ACCURACY]
    assert (accuracy.value, accuracy.low, accuracy.high) == (1.0, 1.0, 1.0)


def test_label_never_predicted_during_calibration_is_not_corrected() -> None:
    errors = CalibrationErrors(10, ObservedErrors(0, 0.0, 0.0), ObservedErrors(10, 1.0, 1.0))
    window = sums_of(*[0.8] * 50)
    assert estimated_metrics(window, errors) == estimated_metrics(window)


def width(metric: EstimatedMetric) -> float:
    assert metric.low is not None and metric.high is not None
    return metric.high - metric.low


def test_errors_never_exceed_the_rows() -> None:
    sums = WindowSums(ErrorSums(2, 1.0, 0.5), ErrorSums(0, 0.0, 0.0))
    accuracy = estimated_metrics(sums, calibration(0.0, 50.0))[Metric.ACCURACY]
    assert accuracy.low == 0.0 and accuracy.high == 1.0


def profile(split: str = "validation", column: str = "probability") -> Profile:
    return Profile("a/1.0.0", split, 4, {column: [0.9, 0.7, 0.2, 0.1]}, {})


def test_calibration_errors_are_read_from_the_profile_and_the_manifest() -> None:
    """The profile is a sample: four rows that represent 700."""
    errors = CalibrationErrors.of(profile(), {"validation": VALIDATION})
    assert errors is not None and errors.rows == 700
    assert (errors.positive.rows, errors.positive.expected) == pytest.approx((350, 70))
    assert (errors.negative.rows, errors.negative.expected) == pytest.approx((350, 52.5))
    assert (errors.positive.errors, errors.negative.errors) == pytest.approx((3, 4))


@pytest.mark.parametrize(
    "metrics",
    [
        {},
        {"validation": None},
        {"validation": {"rows": 3}},
        {"validation": VALIDATION | {"recall": None}},
        {"validation": VALIDATION | {"rows": 0}},
    ],
)
def test_manifest_without_validation_metrics_gives_none(metrics: dict[str, Any]) -> None:
    assert CalibrationErrors.of(profile(), metrics) is None


def test_profile_of_another_split_or_without_probabilities_gives_none() -> None:
    assert CalibrationErrors.of(profile(split="train"), {"validation": VALIDATION}) is None
    assert CalibrationErrors.of(profile(column="chars"), {"validation": VALIDATION}) is None
