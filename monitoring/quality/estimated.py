"""How good predictions are while nobody has said what is true: from the probabilities alone.

Confidence-based performance estimation, CBPE: Kivimäki, Białek, Kuberski and Nurminen,
"Performance Estimation in Binary Classification Using Calibrated Confidence",
https://arxiv.org/abs/2505.05295, known from NannyML. Where a probability means what it says, a
text predicted positive with p is a true positive with chance p and a false one with 1 - p. So the
confusion matrix is a random variable whose mean is a sum, and each metric one of its functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.artifact.profile import Profile
from scoring.intervals import COVERAGE
from storage.tables import Metric

Floats = NDArray[np.float64]
DRAWS = 4_000
# The same window has the same interval each time it is made.
SEED = 7


@dataclass(frozen=True, slots=True)
class Side:
    """The rows of one predicted label, `wrong` the sum of their chances of being wrong.

    `squares` is the sum of the squares of these chances.
    """

    rows: int
    wrong: float
    squares: float

    @classmethod
    def of(cls, chances: Floats) -> Side:
        return cls(len(chances), float(chances.sum()), float((chances * chances).sum()))


@dataclass(frozen=True, slots=True)
class Expected:
    """All CBPE needs to know of a window: its rows by predicted label, at probability 0.5."""

    positive: Side
    negative: Side

    @classmethod
    def of(cls, probabilities: Floats) -> Expected:
        """`probabilities` of the positive label, calibrated, one a row."""
        positive = probabilities >= 0.5
        return cls(Side.of(1.0 - probabilities[positive]), Side.of(probabilities[~positive]))

    @property
    def rows(self) -> int:
        return self.positive.rows + self.negative.rows


@dataclass(frozen=True, slots=True)
class Seen:
    """Of `rows` labelled texts predicted alike, `errors` were wrong where `expected` were to be.

    Nothing is ever known from few errors: one of each is counted on top (a gamma prior of mean 1),
    so that the ratio of the two is drawn to 1 where there are few.
    """

    rows: float
    expected: float
    errors: float

    @property
    def ratio(self) -> float:
        return (self.errors + 1.0) / (self.expected + 1.0)

    def ratios(self, random: np.random.Generator) -> Floats:
        """What the ratio may be as well, `DRAWS` times: errors are Poisson of it."""
        return random.gamma(self.errors + 1.0, 1.0 / (self.expected + 1.0), DRAWS)

    def noise(self, ratio: float | Floats) -> Any:
        """The share of labels that are the other one, whatever the text's probability says."""
        return (ratio - 1.0) * self.expected / self.rows


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the version's probabilities were worth where they were calibrated, by predicted label.

    A temperature cannot say that a share of all labels is wrong, however sure the model is. So it
    is measured here, and added to each text's chance of being wrong.
    """

    rows: int
    positive: Seen
    negative: Seen

    @classmethod
    def of(cls, profile: Profile, metrics: Mapping[str, Any]) -> Calibration | None:
        """From the profile's probabilities and the manifest's metrics, of the validation split.

        None where they do not tell.
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
        expected = Expected.of(probabilities)
        # A profile holds a sample of a large split.
        each = rows / expected.rows
        return cls(
            rows,
            _seen(expected.positive, each, max(0.0, wrong - missed)),
            _seen(expected.negative, each, missed),
        )


def _seen(side: Side, each: float, errors: float) -> Seen:
    return Seen(each * side.rows, each * side.wrong, errors)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric and its 95% interval, in [0, 1]; all None where its denominator is zero.

    The interval is for the value that labels of all the window's rows would give. It covers that
    labels are chance (each is a draw with the row's probability) and, where the calibration is
    known, that this was measured on few errors. It does not cover texts for which the
    probabilities mean something else than where they were calibrated.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None


NOTHING = Estimate()


def estimate(
    expected: Expected, calibration: Calibration | None = None, coverage: float = COVERAGE
) -> dict[Metric, Estimate]:
    """Every metric of a window; `NOTHING` for one that has no denominator."""
    if expected.rows == 0:
        return dict.fromkeys(Metric, NOTHING)
    random = np.random.default_rng(SEED)
    found, false_positives = _wrong(
        expected.positive, calibration.positive if calibration else None, random
    )
    missed, false_negatives = _wrong(
        expected.negative, calibration.negative if calibration else None, random
    )
    values = metrics(expected, np.array([found]), np.array([missed]))
    drawn = metrics(expected, false_positives, false_negatives)
    return {metric: _bounded(values[metric][0], drawn[metric], coverage) for metric in Metric}


def metrics(
    expected: Expected, false_positives: Floats, false_negatives: Floats
) -> dict[Metric, Floats]:
    """Each metric for each pair of counts; NaN where its denominator is zero."""
    found, missed = expected.positive.rows, expected.negative.rows
    tp, tn = found - false_positives, missed - false_negatives
    # The sums of 64-bit floats; what is left of them is no count.
    actual = np.where(tp + false_negatives > 1e-9, tp + false_negatives, np.nan)
    f1_base = np.where(found + actual > 1e-9, found + actual, np.nan)
    return {
        Metric.ACCURACY: (tp + tn) / expected.rows,
        Metric.PRECISION: tp / found if found else np.full_like(tp, np.nan),
        Metric.RECALL: tp / actual,
        Metric.F1: 2 * tp / f1_base,
    }


def _wrong(side: Side, seen: Seen | None, random: np.random.Generator) -> tuple[float, Floats]:
    """How many rows of one predicted label are wrong: expected, and drawn `DRAWS` times.

    The count is Poisson binomial; a binomial of its mean and variance stands for it (Ehm, 1991),
    which needs only two sums. With `seen` its mean is drawn as well.
    """
    means = np.full(DRAWS, side.wrong)
    if seen is not None and seen.rows and seen.expected:
        means = _noisy(side, seen.noise(seen.ratios(random)))
        side = with_noise(side, seen.noise(seen.ratio))
    if side.wrong <= 0.0:
        return 0.0, np.zeros(DRAWS)
    trials = min(side.rows, max(1, round(side.wrong**2 / side.squares)))
    drawn = random.binomial(trials, np.minimum(means / trials, 1.0))
    return side.wrong, drawn.astype(np.float64)


def _noisy(side: Side, noise: Any) -> Any:
    """The mean once a share of labels is turned round: w becomes w (1 - noise) + (1 - w) noise."""
    return np.clip(side.wrong + noise * (side.rows - 2.0 * side.wrong), 0.0, side.rows)


def with_noise(side: Side, noise: float) -> Side:
    """The sums once the share `noise` of labels is turned round."""
    keep = 1.0 - 2.0 * noise
    squares = keep**2 * side.squares + 2.0 * noise * keep * side.wrong + noise**2 * side.rows
    return Side(side.rows, float(_noisy(side, noise)), squares)


def _bounded(value: np.float64, drawn: Floats, coverage: float) -> Estimate:
    drawn = drawn[~np.isnan(drawn)]
    if np.isnan(value) or not len(drawn):
        return NOTHING
    tail = (1.0 - coverage) / 2.0
    # Counts are whole, so the bounds are values that were drawn, on the far side.
    low = np.quantile(drawn, tail, method="lower")
    high = np.quantile(drawn, 1.0 - tail, method="higher")
    return Estimate(float(value), float(min(low, value)), float(max(high, value)))
