"""Which texts a backtest counts, and what remains if it is interrupted."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest

from plumbline.backtest.run import Backtest
from plumbline_client.errors import TextRefused
from scoring.artifact.seen_texts import SeenTexts
from scoring.score import Decision, Score
from storage.reports.backtest import ScoredText

SCORED = ScoredText(uuid.uuid4(), "shop", "toy/1.0.0", 0.1, "negative", 1, True)


def score(text: str) -> Score:
    """Texts with a "!" are positive; an empty one is refused."""
    if not text:
        raise TextRefused("the text is empty")
    probability = 0.9 if "!" in text else 0.1
    decision = Decision.POSITIVE if "!" in text else Decision.NEGATIVE
    return Score(
        probability=probability, label="", confidence=0.9, decision=decision, ranked={}, tokens=1,
        windows=1, window_rule="mean", tokenize_ms=0.0, infer_ms=0.0, features={}, notes=(),
        model="toy/1.1.0",
    )  # fmt: skip


def test_every_text_is_counted_once() -> None:
    result, seen = Backtest(keep=1), []
    texts = [
        (SCORED, "free!"),
        (replace(SCORED, label=None, model="toy/0.9.0"), "hello"),
        (replace(SCORED, source="mail", random=False), "prize!"),
        (SCORED, None),
        (SCORED, ""),
    ]
    result.run(texts, score, lambda: seen.append(result.done))
    assert seen == [1, 2, 3, 4, 5]
    assert (result.deleted, result.refused) == (1, 1)
    assert result.live_models == {"toy/1.0.0": 2, "toy/0.9.0": 1}
    whole = result.rows()[-1]
    assert (whole.texts, whole.changed, whole.labelled, whole.random_labels) == (3, 2, 2, 1)
    (changed,) = result.changed
    assert (changed.text, changed.live, changed.candidate) == ("free!", "negative", "positive")


def test_interruption_keeps_what_was_counted() -> None:
    def interrupted() -> Iterator[tuple[ScoredText, str | None]]:
        yield SCORED, "free!"
        raise KeyboardInterrupt

    result = Backtest()
    with pytest.raises(KeyboardInterrupt):
        result.run(interrupted(), score)
    assert result.done == result.rows()[-1].changed == 1
    assert result.changed == []


def test_labels_of_texts_that_the_candidate_was_trained_on_do_not_count() -> None:
    result = Backtest(seen=SeenTexts.of(["free!"]))
    result.run([(SCORED, "Free!"), (replace(SCORED, label=None), "free!"), (SCORED, "hi")], score)
    (_, whole) = result.rows()
    assert (whole.texts, whole.labelled, whole.random_labels, result.seen_labels) == (3, 1, 1, 1)
