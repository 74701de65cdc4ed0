from __future__ import annotations

from plumbline.demo.display import SNIPPET, Batch, false_negatives, false_positives, summary
from plumbline.demo.texts import EVERYDAY, SPAM
from plumbline_client.states import JobState
from tests.results import AT, result

BATCH = Batch(
    since=AT,
    texts=[SPAM[0], SPAM[1], SPAM[2], EVERYDAY[0], EVERYDAY[1], ""],
    results=[
        result(0, decision="positive"),
        result(1, decision="negative"),
        result(2, decision="review"),
        result(3, decision="negative"),
        result(4, decision="positive"),
        result(5, state=JobState.REJECTED, decision=None),
    ],
)


def test_wrong_decisions_are_found_and_reviews_are_not_wrong() -> None:
    assert false_negatives(BATCH) == [SPAM[1]]
    assert false_positives(BATCH) == [EVERYDAY[1]]


def test_summary_counts_the_decisions() -> None:
    assert str(summary(BATCH)).startswith("2 positive, 2 negative, 1 review. The first text: WIN")


def test_snippet_is_valid_python() -> None:
    compile(SNIPPET.format(source="demo"), "snippet", "exec")
