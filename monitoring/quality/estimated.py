"""Estimated quality: metrics computed from the probabilities alone, before any label arrives.

Confidence-based performance estimation, CBPE: Kivimäki, Białek, Kuberski and Nurminen,
"Performance Estimation in Binary Classification Using Calibrated Confidence",
https://arxiv.org/abs/2505.05295, known from NannyML. With calibrated probabilities, a text that is
predicted positive with probability p is a true positive with probability p and a false one with
1 - p. The confusion matrix is therefore a random variable whose mean is a sum of probabilities, and
each metric is a function of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.artifact.profile import Profile
from scoring.intervals import COVERAGE
from storage.states import Metric

Floats = NDArray[np.float64]
DRAWS = 4_000
# Fixed, so that a window has the same interval whenever it is computed.
SEED = 7


@dataclass(frozen=True, slots=True)
class ErrorSums:
    """Sums over the rows of one predicted label.

    `wrong` is the sum of the probabilities that a row is wrong: the expected number of errors.
    `squares` is the sum of the squares of these probabilities. `variance` is that of `wrong` if it
    is estimated from a sample of the rows.
    """

    rows: int
    wrong: float
    squares: float
    variance: float = 0.0

    @classmethod
    def of(cls, error_probabilities: Floats) -> ErrorSums:
        return cls(
            len(error_probabilities),
            float(error_probabilities.sum()),
            float((error_probabilities * error_probabilities).sum()),
        )

    def __add__(self, other: ErrorSums) -> ErrorSums:
        return ErrorSums(
            self.rows + other.rows,
            self.wrong + other.wrong,
            self.squares + other.squares,
            self.variance + other.variance,
        )


@dataclass(frozen=True, slots=True)
class WindowSums:
    """The sums of a window by predicted label, at probability 0.5. CBPE needs nothing else.

    If they are estimated from a sample, `positives_variance` is that of the number of rows
    predicted positive, and those of the errors are for a given number of them.
    """

    positive: ErrorSums
    negative: ErrorSums
    positives_variance: float = 0.0

    @classmethod
    def of(cls, probabilities: Floats) -> WindowSums:
        """`probabilities` are those of the positive label, calibrated, one per row."""
        positive = probabilities >= 0.5
        return cls(
            ErrorSums.of(1.0 - probabilities[positive]), ErrorSums.of(probabilities[~positive])
        )

    def __add__(self, other: WindowSums) -> WindowSums:
        return WindowSums(
            self.positive + other.positive,
            self.negative + other.negative,
            self.positives_variance + other.positives_variance,
        )

    @property
    def rows(self) -> int:
        return self.positive.rows + self.negative.rows


@dataclass(frozen=True, slots=True)
class ObservedErrors:
    """Of `rows` labelled texts with the same predicted label, `errors` were wrong.

    `expected` errors follow from their probabilities. One error is added to both numbers (a gamma
    prior of mean 1), which draws their ratio towards 1 while few errors are known.
    """

    rows: float
    expected: float
    errors: float

    @property
    def ratio(self) -> float:
        return (self.errors + 1.0) / (self.expected + 1.0)

    def draw_ratios(self, random: np.random.Generator) -> Floats:
        """Draw `DRAWS` ratios that are compatible with the errors, which are Poisson."""
        return random.gamma(self.errors + 1.0, 1.0 / (self.expected + 1.0), DRAWS)

    def noise(self, ratio: float | Floats) -> Any:
        """Return the share of labels that are wrong regardless of the text's probability."""
        return (ratio - 1.0) * self.expected / self.rows


@dataclass(frozen=True, slots=True)
class CalibrationErrors:
    """The errors on the validation split, where the probabilities were calibrated, by label.

    A temperature cannot express that a share of all labels is wrong however confident the model is.
    This share is therefore measured here and added to each text's probability of being wrong.
    """

    rows: int
    positive: ObservedErrors
    negative: ObservedErrors

    @classmethod
    def of(cls, profile: Profile, metrics: Mapping[str, Any]) -> CalibrationErrors | None:
        """Compute them from the profile's probabilities and the manifest's validation metrics.

        Returns None if these are missing or of another split.
        """
        try:
            split = metrics["validation"]
            rows, positives = int(split["rows"]), float(split["positives"])
            wrong = rows * (1.0 - float(split["accuracy"]))
            missed = positives * (1.0 - float(split["recall"]))
            probabilities = np.array(profile.columns["probability"], dtype=np.float64)
        except (KeyError, TypeError, ValueError):
            return None
        if profile.split != "validation" or not rows or not len(probabilities):
            return None
        sums = WindowSums.of(probabilities)
        # The profile of a large split is a sample of it.
        scale = rows / sums.rows
        return cls(
            rows,
            _observed(sums.positive, scale, max(0.0, wrong - missed)),
            _observed(sums.negative, scale, missed),
        )


def _observed(sums: ErrorSums, scale: float, errors: float) -> ObservedErrors:
    return ObservedErrors(scale * sums.rows, scale * sums.wrong, errors)


@dataclass(frozen=True, slots=True)
class EstimatedMetric:
    """A metric and its 95% interval, in [0, 1]; all None if its denominator is zero.

    The interval is for the value that labels of all rows of the window would give. It covers the
    randomness of labels (each is a draw with the row's probability) and, if the calibration errors
    are known, that they are few. It does not cover texts for which the probabilities are not
    calibrated.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None


UNDEFINED = EstimatedMetric()


def estimated_metrics(
    sums: WindowSums, calibration: CalibrationErrors | None = None, coverage: float = COVERAGE
) -> dict[Metric, EstimatedMetric]:
    """Return every metric of a window; UNDEFINED for one whose denominator is zero."""
    if sums.rows == 0:
        return dict.fromkeys(Metric, UNDEFINED)
    random = np.random.default_rng(SEED)
    false_positives, drawn_false_positives = draw_errors(
        sums.positive, calibration.positive if calibration else None, random
    )
    false_negatives, drawn_false_negatives = draw_errors(
        sums.negative, calibration.negative if calibration else None, random
    )
    return metrics_with_intervals(
        sums,
        (false_positives, drawn_false_positives),
        (false_negatives, drawn_false_negatives),
        random,
        coverage,
    )


def metrics_with_intervals(
    sums: WindowSums,
    false_positives: tuple[float, Floats],
    false_negatives: tuple[float, Floats],
    random: np.random.Generator,
    coverage: float,
) -> dict[Metric, EstimatedMetric]:
    """Return the metrics of expected numbers of errors, with the intervals of drawn ones."""
    positives = float(sums.positive.rows)
    values = metrics_from_counts(
        sums.rows, positives, np.array([false_positives[0]]), np.array([false_negatives[0]])
    )
    drawn_positives = draw_positives(sums, random)
    drawn = metrics_from_counts(
        sums.rows,
        drawn_positives,
        false_positives[1] * (drawn_positives / max(1.0, positives)),
        false_negatives[1] * ((sums.rows - drawn_positives) / max(1, sums.negative.rows)),
    )
    return {metric: with_interval(values[metric][0], drawn[metric], coverage) for metric in Metric}


def draw_positives(sums: WindowSums, random: np.random.Generator) -> float | Floats:
    """Return drawn numbers of the rows predicted positive; the number itself if it is known."""
    if not sums.positives_variance:
        return float(sums.positive.rows)
    drawn = random.normal(sums.positive.rows, np.sqrt(sums.positives_variance), DRAWS)
    return np.clip(drawn, 0.0, sums.rows)


def metrics_from_counts(
    rows: int, predicted_positive: float | Floats, false_positives: Floats, false_negatives: Floats
) -> dict[Metric, Floats]:
    """Return each metric for each pair of counts; NaN if its denominator is zero."""
    tp, tn = predicted_positive - false_positives, rows - predicted_positive - false_negatives
    # Below 1e-9 these sums are rounding errors, not counts.
    actual = np.where(tp + false_negatives > 1e-9, tp + false_negatives, np.nan)
    f1_base = np.where(predicted_positive + actual > 1e-9, predicted_positive + actual, np.nan)
    return {
        Metric.ACCURACY: (tp + tn) / rows,
        Metric.PRECISION: tp / np.where(predicted_positive, predicted_positive, np.nan),
        Metric.RECALL: tp / actual,
        Metric.F1: 2 * tp / f1_base,
    }


def draw_errors(
    sums: ErrorSums, observed: ObservedErrors | None, random: np.random.Generator
) -> tuple[float, Floats]:
    """Return the expected number of errors of one predicted label, and `DRAWS` drawn numbers.

    The number is Poisson binomial. A binomial of the same mean and variance approximates it (Ehm,
    1991) and needs only two sums. With `observed`, or sums of a sample, the mean is drawn as well.
    """
    means = np.full(DRAWS, sums.wrong)
    if sums.variance:
        means = np.maximum(0.0, random.normal(sums.wrong, np.sqrt(sums.variance), DRAWS))
    if observed is not None and observed.rows and observed.expected:
        means = _expected_errors(sums.rows, means, observed.noise(observed.draw_ratios(random)))
        sums = with_noise(sums, observed.noise(observed.ratio))
    if sums.wrong <= 0.0:
        return 0.0, np.zeros(DRAWS)
    trials = min(sums.rows, max(1, round(sums.wrong**2 / sums.squares)))
    drawn = random.binomial(trials, np.minimum(means / trials, 1.0))
    return sums.wrong, drawn.astype(np.float64)


def _expected_errors(rows: int, wrong: Any, noise: Any) -> Any:
    """Return the mean if a share of labels is flipped: w becomes w (1 - noise) + (1 - w) noise."""
    return np.clip(wrong + noise * (rows - 2.0 * wrong), 0.0, rows)


def with_noise(sums: ErrorSums, noise: float) -> ErrorSums:
    """Return the sums if the share `noise` of labels is flipped."""
    keep = 1.0 - 2.0 * noise
    squares = keep**2 * sums.squares + 2.0 * noise * keep * sums.wrong + noise**2 * sums.rows
    return ErrorSums(sums.rows, float(_expected_errors(sums.rows, sums.wrong, noise)), squares)


def with_interval(value: np.float64, drawn: Floats, coverage: float) -> EstimatedMetric:
    """Return the value with the interval of the drawn ones; UNDEFINED if it is NaN."""
    drawn = drawn[~np.isnan(drawn)]
    if np.isnan(value) or not len(drawn):
        return UNDEFINED
    tail = (1.0 - coverage) / 2.0
    # Counts are whole numbers, so the bounds are drawn values, rounded outwards.
    low = np.quantile(drawn, tail, method="lower")
    high = np.quantile(drawn, 1.0 - tail, method="higher")
    return EstimatedMetric(float(value), float(min(low, value)), float(max(high, value)))
