"""The shipped model's scores on texts written for this test, so that no change goes unnoticed.

After a new model ships, write them anew:
`.venv/bin/python -m tests.integration.test_golden_scores > tests/integration/golden_scores.json`.
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
# The kernels of two processors do not round alike.
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


def scores() -> dict[str, float]:
    scorer = Scorer.load(SHIPPED)
    return {name: round(scorer.score(text).probability, 4) for name, text in TEXTS.items()}


@pytest.fixture(scope="module")
def found() -> dict[str, float]:
    return scores()


@pytest.mark.parametrize("name", TEXTS)
def test_a_score_is_what_it_was(found: dict[str, float], name: str) -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert golden.keys() == TEXTS.keys()
    assert found[name] == pytest.approx(golden[name], abs=TOLERANCE)


def test_a_text_scores_alike_after_texts_of_other_lengths() -> None:
    scorer = Scorer.load(SHIPPED)
    alone = scorer.score(TEXTS["prize"]).probability
    for text in TEXTS.values():
        scorer.score(text)
    assert scorer.score(TEXTS["prize"]).probability == alone


def test_the_plain_cases_are_decided_as_anybody_would() -> None:
    scorer = Scorer.load(SHIPPED)
    assert scorer.score(TEXTS["prize"]).decision is Decision.POSITIVE
    assert scorer.score(TEXTS["dinner"]).decision is Decision.NEGATIVE
    long = scorer.score(TEXTS["long"])
    assert long.windows > 1 and long.decision is Decision.NEGATIVE


if __name__ == "__main__":
    sys.stdout.write(json.dumps(scores(), indent=2) + "\n")
