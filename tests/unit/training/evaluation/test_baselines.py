import numpy as np
import pytest

from training.data.examples import Example
from training.evaluation import baselines as module
from training.evaluation.baselines import (
    BaselineResult,
    BaselineScores,
    baselines,
    majority_baseline,
    tfidf_baseline,
)

WORDS = (["garden", "river", "bread", "kettle"], ["prize", "claim", "bonus", "winner"])


def texts(size: int, positives: float = 0.5, seed: int = 1) -> list[Example]:
    random = np.random.default_rng(seed)
    labels = (random.random(size) < positives).astype(int).tolist()
    return [
        Example(" ".join([*random.choice(WORDS[label], 3), f"n{n}"]), label)
        for n, label in enumerate(labels)
    ]


def test_majority_answers_every_text_with_the_larger_class_of_training() -> None:
    assert majority_baseline(texts(100, 0.9), texts(4)).probabilities == [1.0] * 4
    assert majority_baseline(texts(100, 0.1), texts(4)).probabilities == [0.0] * 4


def test_linear_model_learns_words_that_separate_the_classes() -> None:
    majority, tfidf = baselines(texts(200, 0.3), texts(100, 0.3, seed=2))
    labels = [example.label for example in texts(100, 0.3, seed=2)]
    result = BaselineResult.of(tfidf, labels, majority.probabilities)
    assert result.metrics.accuracy == 1.0
    assert result.gain == pytest.approx(-sum(labels) / 100)
    assert result.sentence.startswith("The version is worse than the TF-IDF baseline")
    assert (
        tfidf.probabilities == baselines(texts(200, 0.3), texts(100, 0.3, seed=2))[1].probabilities
    )


def test_characters_of_scripts_without_spaces_are_words() -> None:
    pairs = [("今天天气很好我们去公园", 0), ("恭喜您中奖请点击领取奖金", 1)]
    train = [Example(text * (1 + n % 3), label) for n in range(30) for text, label in pairs]
    test = [Example("我们今天去公园", 0), Example("点击领取您的奖金", 1)]
    assert [p > 0.5 for p in tfidf_baseline(train, test).probabilities] == [False, True]


def test_texts_without_words_leave_the_majority_answer() -> None:
    train = [Example("!?" * (n + 1), int(n % 3 == 0)) for n in range(60)]
    assert tfidf_baseline(train, train[:3]).probabilities == [0.0] * 3


def test_time_is_bounded_by_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TRAINING_CHARS", 2_000)
    train = texts(10_000)
    # The words of the rest would be learned otherwise.
    train[-1] = Example("zebra " * 50, 1)
    probabilities = tfidf_baseline(train, [Example("zebra", 1), Example("prize claim", 1)])
    assert probabilities.probabilities[0] == pytest.approx(0.5, abs=0.2)
    assert probabilities.probabilities[1] > 0.5


@pytest.mark.parametrize(
    ("better", "worse", "sentence"),
    [
        (3, 2, "The version only ties with the TF-IDF baseline, which took 1.5 s to train: "),
        (40, 5, "The version is better than the TF-IDF baseline: accuracy 0.9950 against 0.9600"),
        (5, 40, "The version is worse than the TF-IDF baseline: accuracy 0.9600 against 0.9950"),
    ],
)
def test_sentence_follows_from_the_interval(better: int, worse: int, sentence: str) -> None:
    labels = [1, 0] * 500
    served, baseline = np.array(labels, dtype=float), np.array(labels, dtype=float)
    baseline[:better] = 1 - baseline[:better]
    served[better : better + worse] = 1 - served[better : better + worse]
    scores = BaselineScores("TF-IDF", baseline.tolist(), 1.5)
    result = BaselineResult.of(scores, labels, served.tolist())
    assert result.gain == pytest.approx((better - worse) / 1_000)
    assert result.sentence.startswith(sentence)
    assert result.gain_interval.low < result.gain < result.gain_interval.high
