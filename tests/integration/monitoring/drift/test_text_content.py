"""Text-content drift, computed by Evidently."""

from __future__ import annotations

import random
import socket
from collections.abc import Sequence
from typing import Any

import pytest

EVERYDAY_WORDS = (
    "lunch",
    "meeting",
    "train",
    "home",
    "dinner",
    "mother",
    "weekend",
    "book",
    "garden",
)
SALES_WORDS = (
    "prize",
    "winner",
    "claim",
    "cash",
    "voucher",
    "urgent",
    "ringtone",
    "entry",
    "reply",
)


@pytest.fixture(scope="module")
def content() -> Any:
    from monitoring.drift import text_content

    return text_content


def texts(words: Sequence[str], count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(words, k=4)) for _ in range(count)]


def test_different_texts_are_drift_and_similar_ones_are_not(content: Any) -> None:
    reference = texts(EVERYDAY_WORDS, 200, seed=1)
    same = content.text_drift(reference, texts(EVERYDAY_WORDS, 100, seed=2))
    other = content.text_drift(reference, texts(SALES_WORDS, 100, seed=3))
    assert not same.drifted and abs(same.score - 0.5) < 0.15
    assert other.drifted and other.score > 0.95
    assert same.threshold == other.threshold == content.auc_threshold(200, 100, content.ALPHA)
    assert same.method == other.method == "abs_text_content_drift"


def test_same_texts_give_the_same_score(content: Any) -> None:
    sides = texts(EVERYDAY_WORDS, 100, seed=1), texts(EVERYDAY_WORDS + SALES_WORDS, 100, seed=2)
    assert content.text_drift(*sides) == content.text_drift(*sides)


def test_threshold_equals_the_mann_whitney_quantile(content: Any) -> None:
    # By hand, for halves of 100 and 50: sqrt(151 / (12 * 100 * 50)) = 0.0501664, and the 99%
    # quantile of the normal distribution is 2.3263479.
    assert content.auc_threshold(200, 100, 0.01) == pytest.approx(0.5 + 2.3263479 * 0.0501664)
    assert content.auc_threshold(200, 100, 0.001) > content.auc_threshold(200, 100, 0.01)
    assert content.auc_threshold(2_000, 1_000, 0.01) < content.auc_threshold(200, 100, 0.01)


def test_false_alarm_rate_is_at_most_alpha(content: Any) -> None:
    alarms = 0
    for seed in range(60):
        drawn = texts(EVERYDAY_WORDS + SALES_WORDS, 300, seed)
        alarms += content.text_drift(drawn[:200], drawn[200:], alpha=0.05).drifted
    # At 5%, more than seven alarms in 60 trials occur once in 100 runs. The seeds are fixed.
    assert alarms <= 7


EVERYDAY = texts(EVERYDAY_WORDS, 60, seed=1)


@pytest.mark.parametrize(
    ("reference", "window", "reason"),
    [
        ([], EVERYDAY, "the reference has 0 texts, but at least 50 are needed"),
        (EVERYDAY, ["one"], "the window has 1 text, but at least 50 are needed"),
        (EVERYDAY, [" \n"] * 60, "the window has 0 texts"),
        (["the and of"] * 60, ["the and of"] * 60, "empty vocabulary"),
        (["one text"] * 60, ["one text"] * 60, "After pruning, no terms remain"),
        (["你好世界"] * 60, ["你好世界"] * 60, "After pruning, no terms remain"),
        (["?!"] * 60, ["..."] * 60, "empty vocabulary"),
    ],
)
def test_reason_is_returned_if_texts_cannot_be_compared(
    content: Any, reference: list[str], window: list[str], reason: str
) -> None:
    result = content.text_drift(reference, window)
    assert isinstance(result, str) and reason in result


def test_one_repeated_text_is_drift_from_everyday_ones(content: Any) -> None:
    assert content.text_drift(EVERYDAY, ["claim your prize"] * 60).drifted


def test_only_the_start_of_the_newest_texts_is_compared(content: Any) -> None:
    reference = texts(EVERYDAY_WORDS, content.MAX_TEXTS, seed=1)
    old = texts(SALES_WORDS, 500, seed=2)
    newest = texts(EVERYDAY_WORDS, content.MAX_TEXTS, seed=3)
    assert not content.text_drift(reference, old + newest).drifted
    prefix = "x" * content.MAX_TEXT_CHARS
    assert content.text_drift([prefix] * 60, [prefix + " prize"] * 60).startswith(
        "the texts have too few different words"
    )


def test_comparison_does_not_use_the_network(content: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of Evidently's text methods download word lists."""
    calls: list[Any] = []
    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **_: calls.append(arguments))
    assert content.text_drift(EVERYDAY, texts(SALES_WORDS, 60, seed=2)).drifted
    assert calls == []
