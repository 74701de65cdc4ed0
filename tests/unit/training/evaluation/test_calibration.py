"""The fitted temperature is the one the data were made with; measures match hand calculations."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from scoring.input.windows import MAX, MEAN
from scoring.score import Decision, DecisionRule, decide, sigmoid
from training.evaluation.calibration import (
    calibrate,
    chance_ece,
    fit_calibration,
    fit_temperature,
    lowest_temperature,
    reliability,
    threshold_table,
)
from training.evaluation.metrics import confusion_matrix
from training.evaluation.predictions import Predictions, probabilities


def simulated(rows: int, seed: int, scale: float = 1.0, windows: int = 1) -> Predictions:
    """Labels drawn with the probabilities of the true logits of each text's windows.

    The predicted logits are the true ones times `scale`, so `scale` is the right temperature.
    """
    random = np.random.default_rng(seed)
    true = random.normal(scale=2.5, size=(rows, windows))
    chance = np.array(probabilities(true.tolist(), 1.0, MEAN))
    labels = (random.random(rows) < chance).astype(int)
    return Predictions(labels.tolist(), (scale * true).tolist())


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("windows", [1, 3])
def test_simulated_temperature_is_recovered(scale: float, windows: int) -> None:
    texts = simulated(6_000, 1, scale, windows)
    assert fit_temperature(texts.logits, texts.labels, MEAN) == pytest.approx(scale, rel=0.07)


def test_no_other_temperature_is_likelier() -> None:
    texts = simulated(400, 2, 1.7, windows=2)
    best = fit_temperature(texts.logits, texts.labels, MAX)

    def loss(temperature: float) -> float:
        return reliability(texts.labels, texts.probabilities(temperature, MAX)).log_loss

    assert loss(best) < min(loss(best * 0.97), loss(best * 1.03), loss(1.0))


def test_no_errors_do_not_lead_to_certainty() -> None:
    """700 correct of 700 support a confidence of 701 / 702."""
    logits = [[2.9] if n % 8 == 0 else [-2.9] for n in range(700)]
    labels = [int(n % 8 == 0) for n in range(700)]
    temperature = fit_temperature(logits, labels, MEAN)
    assert temperature == pytest.approx(lowest_temperature(logits), rel=1e-3)
    assert sigmoid(2.9 / temperature) == pytest.approx(701 / 702, abs=1e-4)


def test_fewer_texts_support_less_confidence() -> None:
    logits = [[2.0], [-2.0, 2.0], [-2.0]]
    assert sigmoid(2.0 / lowest_temperature(logits)) == pytest.approx(4 / 5)


def test_temperature_of_constant_logits_is_above_zero() -> None:
    assert fit_temperature([[0.0]] * 20, [0, 1] * 10, MEAN) > 0


def test_log_loss_of_certain_errors_is_finite() -> None:
    assert math.isfinite(reliability([1, 0], [0.0, 1.0]).log_loss)


def test_reliability_matches_hand_calculation() -> None:
    measured = reliability([1, 0, 0, 1], [0.9, 0.05, 0.7, 0.55], bins=2)
    high, low = 1.85 / 2, 1.25 / 2
    assert [(b.lower, b.upper, b.count) for b in measured.bins] == [(0.5, 0.75, 2), (0.75, 1.0, 2)]
    assert [b.confidence for b in measured.bins] == pytest.approx([low, high])
    assert [b.accuracy for b in measured.bins] == [0.5, 1.0]
    assert measured.ece == pytest.approx((2 * (low - 0.5) + 2 * (1 - high)) / 4)
    assert measured.brier == pytest.approx((0.1**2 + 0.05**2 + 0.7**2 + 0.45**2) / 4)
    logs = math.log(0.9) + math.log(0.95) + math.log(0.3) + math.log(0.55)
    assert measured.log_loss == pytest.approx(-logs / 4)


def test_confidence_of_one_is_in_the_last_bin() -> None:
    (last,) = reliability([1, 0], [1.0, 0.0]).bins
    assert (last.upper, last.count) == (1.0, 2)


def test_threshold_table_matches_hand_calculation() -> None:
    lowest, middle, highest = threshold_table([1, 1, 0, 0], [0.95, 0.6, 0.8, 0.1], (0.5, 0.8, 0.99))
    assert (lowest.decided, lowest.reviews, lowest.accuracy) == (1.0, 0, 0.75)
    assert (middle.decided, middle.reviews) == (0.75, 1)
    assert (middle.accuracy, middle.precision, middle.recall) == (pytest.approx(2 / 3), 0.5, 1.0)
    assert (highest.decided, highest.reviews) == (0.0, 4)
    assert highest.accuracy is highest.precision is highest.recall is None


def test_threshold_table_decides_as_scoring_does() -> None:
    scores = [0.7, 0.3, 0.6999, 0.95, 0.5, 0.01]
    (row,) = threshold_table([1, 0, 1, 1, 0, 0], scores, (0.7,))
    decisions = [decide(score, DecisionRule(threshold=0.7))[2] for score in scores]
    assert row.reviews == decisions.count(Decision.REVIEW)


def test_temperature_is_fitted_on_validation_only() -> None:
    validation, test = simulated(3_000, 5, 0.5), simulated(3_000, 6, 2.0)
    report = calibrate(validation, test, MEAN)
    assert report.temperature == fit_temperature(validation.logits, validation.labels, MEAN)
    assert report.validation_after.ece < 0.5 * report.validation_before.ece
    # The test split needs the opposite temperature, so calibration makes it worse.
    assert report.test_after.log_loss > report.test_before.log_loss
    after = validation.probabilities(report.temperature, MEAN)
    assert report.thresholds == threshold_table(validation.labels, after)


def test_report_is_written_as_json(tmp_path: Path) -> None:
    report = calibrate(simulated(300, 7), simulated(300, 8), MEAN)
    report.write(tmp_path / "calibration.json")
    content = json.loads((tmp_path / "calibration.json").read_text())
    assert content["temperature"] == report.temperature
    assert content["window_rule"] == MEAN
    assert content["test_after"]["ece"] == report.test_after.ece
    assert sum(entry["count"] for entry in content["test_before"]["bins"]) == 300
    assert len(content["thresholds"]) == len(report.thresholds)


def shifted(rows: int, seed: int, bias: float, scale: float = 1.0) -> Predictions:
    """As `simulated`, with labels of texts whose true logit is larger by `bias`."""
    random = np.random.default_rng(seed)
    logits = random.normal(scale=2.5, size=(rows, 1))
    chance = np.array(probabilities(logits.tolist(), 1.0, MEAN, bias))
    labels = (random.random(rows) < chance).astype(int)
    return Predictions(labels.tolist(), (scale * logits).tolist())


@pytest.mark.parametrize("bias", [-1.5, 1.0])
def test_simulated_bias_is_recovered(bias: float) -> None:
    texts = shifted(4_000, 1, bias, scale=2.0)
    temperature, fitted = fit_calibration(texts.logits, texts.labels, MEAN)
    assert (temperature, fitted) == pytest.approx((2.0, bias), rel=0.12)


def test_bias_that_chance_explains_is_not_kept() -> None:
    fitted = [fit_calibration(t.logits, t.labels, MEAN) for t in (
        simulated(300, seed) for seed in range(20))]  # fmt: skip
    assert sum(bias != 0.0 for _, bias in fitted) <= 1
    for seed in (0, 1):
        texts = simulated(300, seed)
        assert fitted[seed][0] == fit_temperature(texts.logits, texts.labels, MEAN)


def test_few_errors_support_no_bias() -> None:
    logits = [[2.9] if n % 8 == 0 else [-2.9] for n in range(700)]
    labels = [int(n % 8 == 0) for n in range(700)]
    assert fit_calibration(logits, labels, MEAN)[1] == 0.0
    assert fit_calibration(logits, [0, *labels[1:]], MEAN)[1] == 0.0


def test_bias_calibrates_the_test_split_and_moves_its_labels() -> None:
    report = calibrate(shifted(2_000, 3, -2.0), shifted(2_000, 4, -2.0), MEAN)
    assert report.bias == pytest.approx(-2.0, rel=0.15)
    assert report.test_after.ece < report.test_before.ece / 2
    test = shifted(2_000, 4, -2.0)
    before, after = (
        confusion_matrix(test.labels, test.probabilities(report.temperature, MEAN, bias)).accuracy
        for bias in (0.0, report.bias)
    )
    assert after > before + 0.05


@pytest.mark.parametrize(("rows", "spread"), [(150, 1.2), (400, 3.0), (1_500, 0.5)])
def test_calibrated_version_exceeds_the_ece_of_chance_once_in_a_hundred(
    rows: int, spread: float
) -> None:
    """Whatever the probabilities are: labels are drawn with exactly these."""
    random = np.random.default_rng(rows)
    logits = 3.4 * random.choice([-1, 1], rows) + random.normal(scale=spread, size=rows)
    scores = 1 / (1 + np.exp(-logits))
    bound, failed = chance_ece(scores.tolist()), 0
    for _ in range(300):
        labels = (random.random(rows) < scores).astype(int)
        failed += reliability(labels.tolist(), scores.tolist()).ece > bound
    # Three are expected; ten have a chance of one in a thousand.
    assert failed < 10
