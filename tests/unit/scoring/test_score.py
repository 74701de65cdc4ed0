import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.score import Decision, DecisionRule, RankedLabel, decide, rank, sigmoid

RULE = DecisionRule(labels=("ham", "spam"), threshold=0.7)


@pytest.mark.parametrize(
    ("logit", "probability"),
    [(0.0, 0.5), (math.log(3), 0.75), (-math.log(3), 0.25), (1000.0, 1.0), (-1000.0, 0.0)],
)
def test_sigmoid(logit: float, probability: float) -> None:
    assert sigmoid(logit) == pytest.approx(probability)


@pytest.mark.parametrize(
    ("probability", "expected"),
    [
        (0.9, ("spam", 0.9, Decision.POSITIVE)),
        (0.7, ("spam", 0.7, Decision.POSITIVE)),
        (0.69, ("spam", 0.69, Decision.REVIEW)),
        (0.5, ("spam", 0.5, Decision.REVIEW)),
        (0.31, ("ham", 0.69, Decision.REVIEW)),
        (0.1, ("ham", 0.9, Decision.NEGATIVE)),
        (0.0, ("ham", 1.0, Decision.NEGATIVE)),
    ],
)
def test_confidence_below_the_threshold_needs_review(
    probability: float, expected: tuple[str, float, Decision]
) -> None:
    label, confidence, decision = decide(probability, RULE)
    assert (label, decision) == (expected[0], expected[2])
    assert confidence == pytest.approx(expected[1])


@given(st.floats(0.0, 1.0))
def test_confidence_is_the_probability_of_the_first_label(probability: float) -> None:
    label, confidence, _ = decide(probability, RULE)
    first = rank(probability, RULE)[0]
    assert confidence >= 0.5
    assert first.probability == confidence
    assert first.label == label or probability == 0.5


@pytest.mark.parametrize(
    ("top_k", "top_p", "labels"),
    [
        (1, 1.0, ["spam"]),
        (2, 1.0, ["spam", "ham"]),
        (2, 0.8, ["spam"]),
        (2, 0.81, ["spam", "ham"]),
        (1, 0.99, ["spam"]),
    ],
)
def test_ranking_is_limited_by_top_k_and_top_p(top_k: int, top_p: float, labels: list[str]) -> None:
    rule = DecisionRule(labels=("ham", "spam"), top_k=top_k, top_p=top_p)
    assert [entry.label for entry in rank(0.8, rule)] == labels


def test_ranked_label_has_its_own_probability() -> None:
    rule = DecisionRule(labels=("ham", "spam"), top_k=2)
    assert rank(0.25, rule) == (RankedLabel("ham", 0.75), RankedLabel("spam", 0.25))
