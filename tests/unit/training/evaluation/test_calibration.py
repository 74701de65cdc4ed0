"""The temperature finds what was hidden, and the measures say what a few texts give by hand."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from scoring.artifact.artifact import Artifact
from scoring.artifact.config import ScoringConfig
from scoring.artifact.manifest import Manifest
from scoring.input.familiarity import Familiarity
from scoring.input.tokenizer import SPECIALS, UNKNOWN, Tokenizer
from scoring.input.windows import MAX, MEAN
from scoring.runtime.fakes import SumRuntime
from scoring.score import Decision, DecisionRule, decide, sigmoid
from scoring.scorer import Scorer
from training.evaluation.calibration import (
    Answers,
    calibrate,
    coldest,
    fit_temperature,
    probabilities,
    reliability,
    thresholds,
)

UNNAMED = Manifest(
    name="toy",
    version="1.0.0",
    created_at="",
    parent=None,
    code_version="0",
    data={},
    metrics={},
    gates=[],
    files={},
)


def drawn(rows: int, seed: int, scale: float = 1.0, windows: int = 1) -> Answers:
    """Texts whose label is drawn with the probability their windows' true logits give together.

    The logits told are the true ones times `scale`, so `scale` is the temperature to be found.
    """
    random = np.random.default_rng(seed)
    true = random.normal(scale=2.5, size=(rows, windows))
    chance = np.array(probabilities(true.tolist(), 1.0, MEAN))
    labels = (random.random(rows) < chance).astype(int)
    return Answers(labels.tolist(), (scale * true).tolist())


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("windows", [1, 3])
def test_the_hidden_temperature_is_found(scale: float, windows: int) -> None:
    texts = drawn(6_000, 1, scale, windows)
    assert fit_temperature(texts.logits, texts.labels, MEAN) == pytest.approx(scale, rel=0.07)


@pytest.mark.parametrize("rule", [MEAN, MAX])
def test_the_probability_is_the_one_scoring_gives(rule: str) -> None:
    vocabulary = {word: n for n, word in enumerate([*SPECIALS, *"abcdefgh"])}
    words = tokenizers.Tokenizer(WordLevel(vocabulary, unk_token=UNKNOWN))
    words.pre_tokenizer = Whitespace()
    config = ScoringConfig(
        max_tokens=7, window_overlap=2, window_rule=rule, temperature=1.7, threshold=0.6
    )
    unread = Familiarity.learn([], [], len(vocabulary))
    scorer = Scorer(Artifact(Path(), UNNAMED, config, Tokenizer(words), unread), SumRuntime())
    for text in ("a b", "a b c d e", "a c e g b d f h a a a c h"):
        logits = scorer.window_logits(text)
        score = scorer.score(text)
        assert len(logits) == score.windows
        assert probabilities([logits], 1.7, rule) == [score.probability]


def test_no_other_temperature_is_likelier() -> None:
    texts = drawn(400, 2, 1.7, windows=2)
    best = fit_temperature(texts.logits, texts.labels, MAX)

    def loss(temperature: float) -> float:
        return reliability(texts.labels, texts.probabilities(temperature, MAX)).log_loss

    assert loss(best) < min(loss(best * 0.97), loss(best * 1.03), loss(1.0))


def test_texts_that_are_all_told_apart_do_not_make_certainty() -> None:
    """700 right answers in 700 support a confidence of 701 in 702."""
    logits = [[2.9] if n % 8 == 0 else [-2.9] for n in range(700)]
    labels = [int(n % 8 == 0) for n in range(700)]
    found = fit_temperature(logits, labels, MEAN)
    assert found == pytest.approx(coldest(logits), rel=1e-3)
    assert sigmoid(2.9 / found) == pytest.approx(701 / 702, abs=1e-4)


def test_few_texts_support_less() -> None:
    logits = [[2.0], [-2.0, 2.0], [-2.0]]
    assert sigmoid(2.0 / coldest(logits)) == pytest.approx(4 / 5)


def test_a_model_that_says_nothing_has_a_temperature_above_zero() -> None:
    assert fit_temperature([[0.0]] * 20, [0, 1] * 10, MEAN) > 0


def test_logits_past_float64_are_finite_losses() -> None:
    assert math.isfinite(reliability([1, 0], [0.0, 1.0]).log_loss)


def test_reliability_by_hand() -> None:
    found = reliability([1, 0, 0, 1], [0.9, 0.05, 0.7, 0.55], bins=2)
    sure, unsure = 1.85 / 2, 1.25 / 2
    assert [(b.lower, b.upper, b.count) for b in found.bins] == [(0.5, 0.75, 2), (0.75, 1.0, 2)]
    assert [b.confidence for b in found.bins] == pytest.approx([unsure, sure])
    assert [b.accuracy for b in found.bins] == [0.5, 1.0]
    assert found.ece == pytest.approx((2 * (unsure - 0.5) + 2 * (1 - sure)) / 4)
    assert found.brier == pytest.approx((0.1**2 + 0.05**2 + 0.7**2 + 0.45**2) / 4)
    logs = math.log(0.9) + math.log(0.95) + math.log(0.3) + math.log(0.55)
    assert found.log_loss == pytest.approx(-logs / 4)


def test_a_certain_answer_lies_in_the_last_bin() -> None:
    (last,) = reliability([1, 0], [1.0, 0.0]).bins
    assert (last.upper, last.count) == (1.0, 2)


def test_thresholds_by_hand() -> None:
    none, some, all_of_them = thresholds([1, 1, 0, 0], [0.95, 0.6, 0.8, 0.1], (0.5, 0.8, 0.99))
    assert (none.decided, none.reviews, none.accuracy) == (1.0, 0, 0.75)
    assert (some.decided, some.reviews) == (0.75, 1)
    assert (some.accuracy, some.precision, some.recall) == (pytest.approx(2 / 3), 0.5, 1.0)
    assert (all_of_them.decided, all_of_them.reviews) == (0.0, 4)
    assert all_of_them.accuracy is all_of_them.precision is all_of_them.recall is None


def test_thresholds_decide_as_scoring_does() -> None:
    scores = [0.7, 0.3, 0.6999, 0.95, 0.5, 0.01]
    (row,) = thresholds([1, 0, 1, 1, 0, 0], scores, (0.7,))
    decisions = [decide(score, DecisionRule(threshold=0.7))[2] for score in scores]
    assert row.reviews == decisions.count(Decision.REVIEW)


def test_calibration_fits_on_validation_alone() -> None:
    validation, test = drawn(3_000, 5, 0.5), drawn(3_000, 6, 2.0)
    found = calibrate(validation, test, MEAN)
    assert found.temperature == fit_temperature(validation.logits, validation.labels, MEAN)
    assert found.validation_after.ece < 0.5 * found.validation_before.ece
    # The test split was made to want the opposite, so being told so is worse, not better.
    assert found.test_after.log_loss > found.test_before.log_loss
    after = validation.probabilities(found.temperature, MEAN)
    assert found.thresholds == thresholds(validation.labels, after)


def test_calibration_is_written_as_json(tmp_path: Path) -> None:
    found = calibrate(drawn(300, 7), drawn(300, 8), MEAN)
    found.write(tmp_path / "calibration.json")
    said = json.loads((tmp_path / "calibration.json").read_text())
    assert said["temperature"] == found.temperature
    assert said["window_rule"] == MEAN
    assert said["test_after"]["ece"] == found.test_after.ece
    assert sum(entry["count"] for entry in said["test_before"]["bins"]) == 300
    assert len(said["thresholds"]) == len(found.thresholds)
