from typing import Any

import numpy as np
import pytest

from monitoring.quality.estimated import (
    NOTHING,
    Calibration,
    Expected,
    Seen,
    Side,
    estimate,
    with_noise,
)
from scoring.artifact.profile import Profile
from storage.tables import Metric

MEASURED = {"rows": 700, "positives": 100, "accuracy": 0.99, "recall": 0.96}


def of(*probabilities: float) -> Expected:
    return Expected.of(np.array(probabilities, dtype=np.float64))


def test_the_expected_confusion_matrix_is_a_sum_of_probabilities() -> None:
    found = of(0.9, 0.6, 0.5, 0.2, 0.1)
    assert found.positive.rows == 3 and found.negative.rows == 2
    assert found.positive.wrong == pytest.approx(0.1 + 0.4 + 0.5)
    assert found.positive.squares == pytest.approx(0.01 + 0.16 + 0.25)
    assert found.negative.wrong == pytest.approx(0.3)
    assert found.rows == 5


def test_each_metric_follows_from_it() -> None:
    """By hand: TP 2.0, FP 1.0, FN 0.3, TN 1.7."""
    values = {metric: e.value for metric, e in estimate(of(0.9, 0.6, 0.5, 0.2, 0.1)).items()}
    assert values[Metric.ACCURACY] == pytest.approx(3.7 / 5)
    assert values[Metric.PRECISION] == pytest.approx(2.0 / 3)
    assert values[Metric.RECALL] == pytest.approx(2.0 / 2.3)
    assert values[Metric.F1] == pytest.approx(4.0 / 5.3)


def test_an_empty_window_has_no_metrics() -> None:
    assert estimate(of()) == dict.fromkeys(Metric, NOTHING)


def test_without_a_predicted_positive_there_is_no_precision() -> None:
    found = estimate(of(0.2, 0.1))
    assert found[Metric.PRECISION] == NOTHING
    assert found[Metric.RECALL].value == 0.0
    assert found[Metric.F1].value == 0.0


def test_where_no_positive_is_possible_there_is_no_recall() -> None:
    found = estimate(of(0.0, 0.0, 0.0))
    assert found[Metric.RECALL] == found[Metric.F1] == found[Metric.PRECISION] == NOTHING
    assert found[Metric.ACCURACY].value == found[Metric.ACCURACY].low == 1.0


def test_one_row_is_right_or_wrong() -> None:
    found = estimate(of(0.7))[Metric.ACCURACY]
    assert found.value == pytest.approx(0.7)
    assert (found.low, found.high) == (0.0, 1.0)


def test_a_constant_column_is_a_binomial() -> None:
    """1,000 texts at 0.9: accuracy 0.9 ± 1.96 sqrt(0.09 / 1,000)."""
    found = estimate(of(*[0.9] * 1_000))[Metric.ACCURACY]
    assert found.value == pytest.approx(0.9)
    assert found.low == pytest.approx(0.9 - 0.0186, abs=0.003)
    assert found.high == pytest.approx(0.9 + 0.0186, abs=0.003)


def test_the_same_window_has_the_same_interval() -> None:
    window = of(*np.random.default_rng(3).random(200))
    assert estimate(window) == estimate(window)


def test_nineteen_of_twenty_intervals_hold_what_labels_say() -> None:
    """Labels are drawn from the probabilities, which is what calibrated means."""
    random = np.random.default_rng(5)
    held = dict.fromkeys(Metric, 0)
    for _ in range(200):
        p = random.beta(0.3, 0.9, 300)
        truth = random.random(300) < p
        found = estimate(Expected.of(p))
        for metric, value in actual(p >= 0.5, truth).items():
            guess = found[metric]
            assert guess.low is not None and guess.high is not None
            held[metric] += guess.low <= value <= guess.high
    # Three standard deviations of chance round 190; whole counts make it somewhat more.
    assert all(181 <= count <= 200 for count in held.values()), held


def actual(said: Any, truth: Any) -> dict[Metric, float]:
    tp, fp, fn = (said & truth).sum(), (said & ~truth).sum(), (~said & truth).sum()
    return {
        Metric.ACCURACY: float((said == truth).mean()),
        Metric.PRECISION: float(tp / (tp + fp)),
        Metric.RECALL: float(tp / (tp + fn)),
        Metric.F1: float(2 * tp / (2 * tp + fp + fn)),
    }


def calibrated(expected: float, errors: float, rows: float = 1_000) -> Calibration:
    return Calibration(int(2 * rows), Seen(rows, expected, errors), Seen(rows, expected, errors))


def test_as_many_errors_as_expected_change_no_value_and_few_make_it_wider() -> None:
    window = of(*[0.98] * 300, *[0.02] * 2_000)
    plain, few, many = (
        estimate(window, known)
        for known in (None, calibrated(4.0, 4.0, 200), calibrated(400.0, 400.0, 20_000))
    )
    for metric in Metric:
        assert few[metric].value == pytest.approx(plain[metric].value)
        assert many[metric].value == pytest.approx(plain[metric].value)
        assert width(few[metric]) > 1.4 * width(many[metric])
        assert width(many[metric]) == pytest.approx(width(plain[metric]), rel=0.25)


def test_more_errors_than_expected_are_noise_that_every_text_has() -> None:
    """99 errors where 49 were expected of 1,000: twice the rate, so 4.9% of labels are noise."""
    found = estimate(of(*[0.99] * 100), calibrated(49.0, 99.0))[Metric.ACCURACY]
    assert found.value == pytest.approx(0.99 - 0.049 * 0.98)


def test_noise_is_added_to_the_sums_as_it_would_be_row_by_row() -> None:
    chances = np.array([0.01, 0.2, 0.4])
    noisy = chances * (1 - 0.03) + (1 - chances) * 0.03
    assert with_noise(Side.of(chances), 0.03) == Side(
        3, pytest.approx(noisy.sum()), pytest.approx((noisy * noisy).sum())
    )


def test_where_the_model_is_unsure_noise_changes_nothing() -> None:
    assert estimate(of(*[0.5] * 100), calibrated(49.0, 99.0))[Metric.ACCURACY].value == 0.5


def test_no_text_is_less_than_right() -> None:
    """Half as many errors as expected, in a window whose texts are all surer than those."""
    found = estimate(of(*[0.999] * 100), calibrated(99.0, 49.0))[Metric.ACCURACY]
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_a_label_that_was_never_predicted_at_calibration_is_not_corrected() -> None:
    known = Calibration(10, Seen(0, 0.0, 0.0), Seen(10, 1.0, 1.0))
    window = of(*[0.8] * 50)
    assert estimate(window, known) == estimate(window)


def width(found: Any) -> float:
    return float(found.high - found.low)


def test_a_count_is_never_more_than_its_rows() -> None:
    found = estimate(Expected(Side(2, 1.0, 0.5), Side(0, 0.0, 0.0)), calibrated(0.0, 50.0))
    assert found[Metric.ACCURACY].low == 0.0 and found[Metric.ACCURACY].high == 1.0


def profile(split: str = "validation", column: str = "probability") -> Profile:
    return Profile("a/1.0.0", split, 4, {column: [0.9, 0.7, 0.2, 0.1]}, {})


def test_it_is_read_from_the_profile_and_the_manifest() -> None:
    """The profile is a sample: four rows that stand for 700."""
    found = Calibration.of(profile(), {"validation": MEASURED})
    assert found is not None and found.rows == 700
    assert (found.positive.rows, found.positive.expected) == pytest.approx((350, 70))
    assert (found.negative.rows, found.negative.expected) == pytest.approx((350, 52.5))
    assert (found.positive.errors, found.negative.errors) == pytest.approx((3, 4))


@pytest.mark.parametrize(
    "metrics",
    [
        {},
        {"validation": None},
        {"validation": {"rows": 3}},
        {"validation": MEASURED | {"recall": None}},
        {"validation": MEASURED | {"rows": 0}},
    ],
)
def test_a_manifest_that_does_not_tell_is_no_calibration(metrics: dict[str, Any]) -> None:
    assert Calibration.of(profile(), metrics) is None


def test_neither_is_a_profile_of_something_else() -> None:
    assert Calibration.of(profile(split="train"), {"validation": MEASURED}) is None
    assert Calibration.of(profile(column="chars"), {"validation": MEASURED}) is None
