"""The shipped model's scores on fixed texts, so that an unintended change is noticed.

After a new model ships, write the expected scores again:

    .venv/bin/python -m tests.integration.scoring.test_scorer \\
        > tests/integration/scoring/golden_scores.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from scoring.score import Decision
from scoring.scorer import Scorer
from tests.paths import SHIPPED

GOLDEN = Path(__file__).with_name("golden_scores.json")
# The kernels of different processors round differently.
TOLERANCE = 0.02
TEXTS = {
    "prize": "CONGRATULATIONS! You have won a 500 pound voucher. Call 09050001234 now to claim.",
    "dinner": "Running late, start dinner without me. Back around eight I hope",
    "offer": "Free ringtones this week only, text TONE to 80808, 150p per msg",
    "short": "ok",
    "emoji": "See you at the station 🚉 bring the tickets 🎟️",
    "german": "Kannst du bitte noch Milch und Brot mitbringen?",
    "long": "The minutes of our meeting are attached, please read them before Monday. " * 80,
}


def score_all() -> dict[str, float]:
    scorer = Scorer.load(SHIPPED)
    return {name: round(scorer.score(text).probability, 4) for name, text in TEXTS.items()}


@pytest.fixture(scope="module")
def scores() -> dict[str, float]:
    return score_all()


@pytest.mark.parametrize("name", TEXTS)
def test_score_matches_the_golden_score(scores: dict[str, float], name: str) -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert golden.keys() == TEXTS.keys()
    assert scores[name] == pytest.approx(golden[name], abs=TOLERANCE)


def test_score_does_not_depend_on_earlier_texts_of_other_lengths() -> None:
    scorer = Scorer.load(SHIPPED)
    first = scorer.score(TEXTS["prize"]).probability
    for text in TEXTS.values():
        scorer.score(text)
    assert scorer.score(TEXTS["prize"]).probability == first


def test_clear_cases_are_decided_correctly() -> None:
    scorer = Scorer.load(SHIPPED)
    assert scorer.score(TEXTS["prize"]).decision is Decision.POSITIVE
    assert scorer.score(TEXTS["dinner"]).decision is Decision.NEGATIVE
    long = scorer.score(TEXTS["long"])
    assert long.windows > 1 and long.decision is Decision.NEGATIVE


if __name__ == "__main__":
    sys.stdout.write(json.dumps(score_all(), indent=2) + "\n")
