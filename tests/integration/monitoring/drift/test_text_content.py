"""The texts themselves compared, by Evidently's own method."""

from __future__ import annotations

import random
import socket
from collections.abc import Sequence
from typing import Any

import pytest

EVERYDAY = ("lunch", "meeting", "train", "home", "dinner", "mother", "weekend", "book", "garden")
SALES = ("prize", "winner", "claim", "cash", "voucher", "urgent", "ringtone", "entry", "reply")


@pytest.fixture(scope="module")
def content() -> Any:
    from monitoring.drift import text_content

    return text_content


def texts(words: Sequence[str], count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(words, k=4)) for _ in range(count)]


def test_other_texts_are_drift_and_the_same_kind_is_none(content: Any) -> None:
    usual = texts(EVERYDAY, 200, seed=1)
    same = content.text_finding(usual, texts(EVERYDAY, 100, seed=2))
    other = content.text_finding(usual, texts(SALES, 100, seed=3))
    assert not same.drifted and abs(same.value - 0.5) < 0.15
    assert other.drifted and other.value > 0.95
    assert same.threshold == other.threshold == content.auc_threshold(200, 100, content.ALPHA)
    assert same.method == other.method == "abs_text_content_drift"


def test_the_same_texts_give_the_same_answer(content: Any) -> None:
    sides = texts(EVERYDAY, 100, seed=1), texts(EVERYDAY + SALES, 100, seed=2)
    assert content.text_finding(*sides) == content.text_finding(*sides)


def test_the_threshold_is_mann_whitneys_by_hand(content: Any) -> None:
    # Halves of 100 and 50: sqrt(151 / (12 * 100 * 50)) = 0.0501664; the 99% point is 2.3263479.
    assert content.auc_threshold(200, 100, 0.01) == pytest.approx(0.5 + 2.3263479 * 0.0501664)
    assert content.auc_threshold(200, 100, 0.001) > content.auc_threshold(200, 100, 0.01)
    assert content.auc_threshold(2_000, 1_000, 0.01) < content.auc_threshold(200, 100, 0.01)


def test_false_alarms_are_no_more_than_stated(content: Any) -> None:
    alarms = 0
    for seed in range(60):
        drawn = texts(EVERYDAY + SALES, 300, seed)
        alarms += content.text_finding(drawn[:200], drawn[200:], alpha=0.05).drifted
    # At a rate of 5% more than seven in 60 come once in 100 runs; this run is the same each time.
    assert alarms <= 7


USUAL = texts(EVERYDAY, 60, seed=1)


@pytest.mark.parametrize(
    ("reference", "window", "says"),
    [
        ([], USUAL, "the reference has 0 texts, and 50 are needed"),
        (USUAL, ["one"], "the window has 1 text, and 50 are needed"),
        (USUAL, [" \n"] * 60, "the window has 0 texts"),
        (["the and of"] * 60, ["the and of"] * 60, "empty vocabulary"),
        (["one text"] * 60, ["one text"] * 60, "After pruning, no terms remain"),
        (["你好世界"] * 60, ["你好世界"] * 60, "After pruning, no terms remain"),
        (["?!"] * 60, ["..."] * 60, "empty vocabulary"),
    ],
)
def test_what_cannot_be_judged_is_said(
    content: Any, reference: list[str], window: list[str], says: str
) -> None:
    found = content.text_finding(reference, window)
    assert isinstance(found, str) and says in found


def test_one_text_over_and_over_is_told_from_everyday_ones(content: Any) -> None:
    assert content.text_finding(USUAL, ["claim your prize"] * 60).drifted


def test_of_many_and_long_texts_the_newest_beginnings_count(content: Any) -> None:
    usual = texts(EVERYDAY, content.MOST, seed=1)
    old = texts(SALES, 500, seed=2)
    newest = texts(EVERYDAY, content.MOST, seed=3)
    assert not content.text_finding(usual, old + newest).drifted
    beyond = "x" * content.LONGEST_CHARS
    assert content.text_finding([beyond] * 60, [beyond + " prize"] * 60).startswith(
        "the texts hold"
    )


def test_nothing_is_downloaded(content: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of Evidently's text methods fetch word lists at run time."""
    asked: list[Any] = []
    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, lambda *arguments: asked.append(arguments))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **_: asked.append(arguments))
    assert content.text_finding(USUAL, texts(SALES, 60, seed=2)).drifted
    assert asked == []
