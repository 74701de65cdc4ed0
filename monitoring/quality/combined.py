"""Quality from the labels of a random sample and the predictions of all texts together.

Two estimates, for texts that have drifted and for texts that have not:

- `combined_metrics` is valid for any texts, however wrong the probabilities are. Prediction-powered
  inference: Angelopoulos et al., "Prediction-powered inference", Science 382 (2023), with the
  tuned slope of PPI++ (https://arxiv.org/abs/2311.01453). The labels decide, and the probabilities
  reduce the error of the sample as far as they follow the errors that it contains.
- `calibrated_metrics` is valid for texts on which the probabilities are calibrated as on the
  validation split. They are evidence there, as in `monitoring.quality.estimated`, and the labels
  add to what is known about the calibration.

Both are for the texts of one window: the labelled ones are known, and the others are estimated.
Everything is computed from sums, so that a window of any size is one query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from monitoring.quality.estimated import (
    DRAWS,
    SEED,
    UNDEFINED,
    CalibrationErrors,
    ErrorSums,
    EstimatedMetric,
    Floats,
    ObservedErrors,
    WindowSums,
    draw_errors,
    metrics_with_intervals,
    with_interval,
)
from scoring.intervals import COVERAGE
from storage.states import Metric

# The prior of Jeffreys, whose interval holds its coverage for shares near 0 and 1 (Brown, Cai and
# DasGupta, "Interval Estimation for a Binomial Proportion", Statistical Science, 2001).
PRIOR = 0.5
# One error whose probability is high looks like a perfect prediction. The variance that the
# probabilities explain counts in full only with many more errors than this.
FEW_ERRORS = 4.0
# The labels contradict the calibration if this many errors or more are less likely than this.
CONTRADICTION = 0.01


@dataclass(frozen=True, slots=True)
class LabelledSums:
    """Sums over the labelled rows of a random sample with the same predicted label.

    `wrong` and `squares` are those of ErrorSums, of the probabilities; `errors` counts the rows
    that are wrong, and `wrong_errors` is the sum of their probabilities of being wrong.
    """

    rows: int = 0
    errors: int = 0
    wrong: float = 0.0
    squares: float = 0.0
    wrong_errors: float = 0.0

    @classmethod
    def of(cls, error_probabilities: Floats, errors: NDArray[np.bool_]) -> LabelledSums:
        sums = ErrorSums.of(error_probabilities)
        in_errors = float(error_probabilities[errors].sum())
        return cls(sums.rows, int(errors.sum()), sums.wrong, sums.squares, in_errors)

    def __add__(self, other: LabelledSums) -> LabelledSums:
        return LabelledSums(
            self.rows + other.rows,
            self.errors + other.errors,
            self.wrong + other.wrong,
            self.squares + other.squares,
            self.wrong_errors + other.wrong_errors,
        )


@dataclass(frozen=True, slots=True)
class Side:
    """The rows of one predicted label: the sums of all of them, and of the labelled ones."""

    all: ErrorSums
    labelled: LabelledSums

    def __add__(self, other: Side) -> Side:
        return Side(self.all + other.all, self.labelled + other.labelled)

    @property
    def unlabelled(self) -> ErrorSums:
        labelled = self.labelled
        return ErrorSums(
            self.all.rows - labelled.rows,
            max(0.0, self.all.wrong - labelled.wrong),
            max(0.0, self.all.squares - labelled.squares),
            self.all.variance,
        )


@dataclass(frozen=True, slots=True)
class Stratum:
    """The rows of one source, by predicted label. The sample is random within a source.

    `positives_variance` is that of WindowSums.
    """

    positive: Side
    negative: Side
    positives_variance: float = 0.0

    @classmethod
    def of(
        cls, probabilities: Floats, errors: NDArray[np.bool_], labelled: NDArray[np.bool_]
    ) -> Stratum:
        """Sum up arrays with one element per row; `errors` matters where `labelled` is true."""
        sums, positive = WindowSums.of(probabilities), probabilities >= 0.5
        wrong = np.where(positive, 1.0 - probabilities, probabilities)

        def labelled_sums(rows: NDArray[np.bool_]) -> LabelledSums:
            return LabelledSums.of(wrong[rows & labelled], errors[rows & labelled])

        return cls(
            Side(sums.positive, labelled_sums(positive)),
            Side(sums.negative, labelled_sums(~positive)),
        )

    def __add__(self, other: Stratum) -> Stratum:
        return Stratum(
            self.positive + other.positive,
            self.negative + other.negative,
            self.positives_variance + other.positives_variance,
        )

    @property
    def both(self) -> Side:
        both = self.positive + self.negative
        positive, negative = self.positive.all, self.negative.all
        difference = positive.wrong / max(1, positive.rows) - negative.wrong / max(1, negative.rows)
        variance = both.all.variance + self.positives_variance * difference**2
        return replace(both, all=replace(both.all, variance=variance))

    @property
    def window(self) -> WindowSums:
        return WindowSums(self.positive.all, self.negative.all, self.positives_variance)


def combined_metrics(
    strata: Sequence[Stratum], coverage: float = COVERAGE
) -> dict[Metric, EstimatedMetric]:
    """Return every metric of the strata with labels, each weighted by its rows.

    UNDEFINED for a metric whose denominator is zero, and for all of them if there is no label.
    """
    strata = [stratum for stratum in strata if stratum.both.labelled.rows]
    if not strata:
        return dict.fromkeys(Metric, UNDEFINED)
    random = np.random.default_rng(SEED)
    window = reduce(add, strata).window
    errors, drawn_errors = _sampled_errors([stratum.both for stratum in strata], random)
    accuracy = with_interval(
        np.float64(1.0 - errors / window.rows), 1.0 - drawn_errors / window.rows, coverage
    )
    false_positives = _sampled_errors([stratum.positive for stratum in strata], random)
    false_negatives = _sampled_errors([stratum.negative for stratum in strata], random)
    metrics = metrics_with_intervals(window, false_positives, false_negatives, random, coverage)
    return metrics | {Metric.ACCURACY: accuracy}


def calibrated_metrics(
    strata: Sequence[Stratum], calibration: CalibrationErrors | None, coverage: float = COVERAGE
) -> dict[Metric, EstimatedMetric]:
    """Return every metric of all strata, those without labels included.

    UNDEFINED if there is no label, if the calibration is unknown, or if the labels contradict it.
    """
    undefined = dict.fromkeys(Metric, UNDEFINED)
    if calibration is None or not strata:
        return undefined
    total = reduce(add, strata)
    random = np.random.default_rng(SEED)
    if not total.both.labelled.rows or _is_contradicted(total, calibration, random):
        return undefined
    false_positives = _calibrated_errors(total.positive, calibration.positive, random)
    false_negatives = _calibrated_errors(total.negative, calibration.negative, random)
    return metrics_with_intervals(total.window, false_positives, false_negatives, random, coverage)


def _calibrated_errors(
    side: Side, observed: ObservedErrors, random: np.random.Generator
) -> tuple[float, Floats]:
    """Return the expected number of errors and drawn ones; those of labelled rows are known."""
    labelled = side.labelled
    observed = ObservedErrors(
        observed.rows + labelled.rows,
        observed.expected + labelled.wrong,
        observed.errors + labelled.errors,
    )
    expected, drawn = draw_errors(side.unlabelled, observed, random)
    return labelled.errors + expected, labelled.errors + drawn


def _is_contradicted(
    total: Stratum, calibration: CalibrationErrors, random: np.random.Generator
) -> bool:
    drawn = np.zeros(DRAWS)
    for side, observed in (
        (total.positive, calibration.positive),
        (total.negative, calibration.negative),
    ):
        labelled = side.labelled
        sums = ErrorSums(labelled.rows, labelled.wrong, labelled.squares)
        drawn += draw_errors(sums, observed, random)[1]
    return bool((drawn >= total.both.labelled.errors).mean() < CONTRADICTION)


def _sampled_errors(sides: Sequence[Side], random: np.random.Generator) -> tuple[float, Floats]:
    """Return the estimated number of errors of all rows and drawn ones.

    The share of errors among the unlabelled rows is drawn as if a single sample of `_sample_size`
    labels had shown it, and their number given that share.
    """
    sides = _collapsed(sides)
    known = sum(side.labelled.errors for side in sides)
    unlabelled = sum(side.unlabelled.rows for side in sides)
    if not unlabelled:
        return float(known), np.full(DRAWS, float(known))
    slope, unexplained = _slope(sides)
    expected = sum(_unlabelled_errors(side, slope) for side in sides)
    share = expected / unlabelled
    size = _sample_size(sides, share, slope, unexplained)
    shares = random.beta(size * share + PRIOR, size * (1.0 - share) + PRIOR, DRAWS)
    return known + expected, known + random.binomial(unlabelled, shares).astype(np.float64)


def _collapsed(sides: Sequence[Side]) -> list[Side]:
    """Add the sides without labels to the one with most, because nothing else is known of them."""
    order = sorted(sides, key=lambda side: side.labelled.rows, reverse=True)
    without = [side for side in order[1:] if not side.labelled.rows]
    return [reduce(add, without, order[0]), *order[1 : len(order) - len(without)]]


def _slope(sides: Sequence[Side]) -> tuple[float, float]:
    """Return by how much errors grow with their probability, and the share of unexplained variance.

    The slope is that of PPI++ within the sides, between 0 (labels only) and 1 (PPI).
    """
    together = squares = errors = 0.0
    for side in sides:
        sums = side.labelled
        if sums.rows:
            together += sums.wrong_errors - sums.errors * sums.wrong / sums.rows
            squares += sums.squares - sums.wrong * sums.wrong / sums.rows
            errors += sums.errors - sums.errors * sums.errors / sums.rows
    if squares <= 1e-12 or errors <= 1e-12:
        return 0.0, 1.0
    slope = min(1.0, max(0.0, together / squares))
    explained = (2.0 * slope * together - slope * slope * squares) / errors
    wrong = sum(side.labelled.errors for side in sides)
    right = sum(side.labelled.rows for side in sides) - wrong
    fewest = min(wrong, right)
    return slope, 1.0 - explained * fewest / (fewest + FEW_ERRORS)


def _unlabelled_errors(side: Side, slope: float) -> float:
    """Return the expected errors of the unlabelled rows, by the difference estimator."""
    labelled, unlabelled = side.labelled, side.unlabelled
    if not labelled.rows:
        return PRIOR * unlabelled.rows
    per_row = labelled.errors - slope * labelled.wrong
    expected = unlabelled.rows * per_row / labelled.rows + slope * unlabelled.wrong
    return min(float(unlabelled.rows), max(0.0, expected))


def _sample_size(sides: Sequence[Side], share: float, slope: float, unexplained: float) -> float:
    """Return the size of a simple random sample of the same variance as the stratified one.

    With one side it is the number of labels, and larger if the probabilities explain some variance.
    It is smaller if the sums of all rows are estimated as well.
    """
    labels = sum(side.labelled.rows for side in sides)
    if not labels:
        return 0.0
    unlabelled = sum(side.unlabelled.rows for side in sides)
    pooled = (share * labels + PRIOR) / (labels + 2 * PRIOR)
    alike = unlike = 0.0
    for side in sides:
        weight = (side.unlabelled.rows / unlabelled) ** 2 / side.labelled.rows
        own = (side.labelled.errors + pooled) / (side.labelled.rows + 1)
        alike += weight * pooled * (1.0 - pooled)
        unlike += weight * own * (1.0 - own)
    estimated = slope**2 * sum(side.all.variance for side in sides) / unlabelled**2
    # Of few labels per side the second is often too low.
    return pooled * (1.0 - pooled) / (max(alike, unlike) * unexplained + estimated)
