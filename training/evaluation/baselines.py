"""Two baselines on the same texts: the majority class, and a linear model on counts of words.

A network that answers no better than these is not worth its milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from scoring.intervals import Interval, paired_difference
from training.data.examples import Example
from training.evaluation.metrics import Metrics, compute_metrics

# What the linear model reads of one text, and of all training texts: some seconds.
MAX_CHARS = 5_000
MAX_TRAINING_CHARS = 8_000_000
MANY_TEXTS = 5_000
# Words, and each character of scripts that write no spaces.
TOKEN = r"(?u)[぀-ヿ㐀-鿿가-힣]|[^\W぀-ヿ㐀-鿿가-힣]+"


@dataclass(frozen=True, slots=True)
class BaselineScores:
    """What a baseline answers on the test split: probabilities, 0.5 and more is positive.

    The numbers of the linear model are squashed margins: they rank texts, but are not calibrated.
    """

    name: str
    probabilities: list[float]
    seconds: float


# The majority's and the linear model's.
Baselines = tuple[BaselineScores, BaselineScores]


@dataclass(frozen=True, slots=True)
class BaselineResult:
    """A baseline on the test split, and the version's accuracy minus the baseline's.

    `gain_interval` is the 95% interval of the gain for paired texts.
    """

    name: str
    metrics: Metrics
    gain: float
    gain_interval: Interval
    seconds: float

    @classmethod
    def of(
        cls, scores: BaselineScores, labels: Sequence[int], served: Sequence[float]
    ) -> BaselineResult:
        truth = np.asarray(labels, dtype=bool)
        right = (np.asarray(served) >= 0.5) == truth
        baseline_right = (np.asarray(scores.probabilities) >= 0.5) == truth
        better = int(np.sum(right & ~baseline_right))
        worse = int(np.sum(baseline_right & ~right))
        return cls(
            name=scores.name,
            metrics=compute_metrics(labels, scores.probabilities),
            gain=(better - worse) / len(truth),
            gain_interval=paired_difference(better, worse, len(truth)),
            seconds=scores.seconds,
        )

    @property
    def sentence(self) -> str:
        """Whether the version is better than the baseline, as far as these texts show."""
        interval = self.gain_interval
        figures = (
            f"accuracy {self.metrics.accuracy + self.gain:.4f} against "
            f"{self.metrics.accuracy:.4f}, difference {self.gain:+.4f} (95% interval "
            f"{interval.low:+.4f} to {interval.high:+.4f})"
        )
        if interval.low > 0:
            return f"The version is better than the {self.name} baseline: {figures}."
        if interval.high < 0:
            return f"The version is worse than the {self.name} baseline: {figures}."
        return (
            f"The version only ties with the {self.name} baseline, which took "
            f"{self.seconds:.1f} s to train: {figures}."
        )


def baselines(train: Sequence[Example], test: Sequence[Example]) -> Baselines:
    """Train both on the training texts and let them answer the test texts."""
    return majority_baseline(train, test), tfidf_baseline(train, test)


def majority_baseline(train: Sequence[Example], test: Sequence[Example]) -> BaselineScores:
    """Answer every text with the more frequent class of the training split."""
    positives = sum(example.label for example in train)
    answer = float(2 * positives >= len(train))
    return BaselineScores("majority", [answer] * len(test), 0.0)


def tfidf_baseline(train: Sequence[Example], test: Sequence[Example]) -> BaselineScores:
    """Train a linear SVM on TF-IDF weights of words and pairs of words, on one thread."""
    # 0.3 s, which no other command should pay for.
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    started = perf_counter()
    texts = _sample(_texts(train))
    # A pair of words that occurs once among thousands of texts teaches nothing and costs time.
    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2),
        sublinear_tf=True,
        token_pattern=TOKEN,
        min_df=1 if len(texts) < MANY_TEXTS else 2,
        dtype=np.float32,
    )
    try:
        features = vectorizer.fit_transform(texts)
    except ValueError:
        # No text has a word, for example because all are emoji.
        answers = majority_baseline(train, test).probabilities
        return BaselineScores("TF-IDF", answers, perf_counter() - started)
    labels = [example.label for example in train[: len(texts)]]
    model = LinearSVC(random_state=7).fit(features, labels)
    margins = model.decision_function(vectorizer.transform(_texts(test)))
    probabilities = 1.0 / (1.0 + np.exp(-np.clip(margins, -30.0, 30.0)))
    return BaselineScores("TF-IDF", probabilities.tolist(), perf_counter() - started)


def _texts(examples: Sequence[Example]) -> list[str]:
    return [example.text[:MAX_CHARS] for example in examples]


def _sample(texts: Sequence[str]) -> list[str]:
    """Return the first texts, up to a number of characters: a random sample, in hash order."""
    total = np.cumsum([len(text) for text in texts])
    return list(texts[: int(np.searchsorted(total, MAX_TRAINING_CHARS)) + 1])
