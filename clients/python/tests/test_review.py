import pytest

from plumbline_client.review import (
    LONG_WORD_UNREAD,
    LOW_CONFIDENCE,
    MOSTLY_UNREAD,
    UNREAD_REASONS,
    review_reason,
)


@pytest.mark.parametrize("decision", ["positive", "negative", None])
def test_other_decision_has_no_reason(decision: str | None) -> None:
    assert review_reason(decision, []) is None


def test_reason_is_what_was_not_read_or_the_confidence() -> None:
    assert review_reason("review", ["nul_replaced"]) == LOW_CONFIDENCE
    for note, reason in UNREAD_REASONS.items():
        assert review_reason("review", ["nul_replaced", note]) == reason
    both = [LONG_WORD_UNREAD, MOSTLY_UNREAD]
    assert review_reason("review", both) == UNREAD_REASONS[MOSTLY_UNREAD]
