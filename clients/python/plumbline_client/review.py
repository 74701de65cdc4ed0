"""Why a decision is `review`: the confidence is low, or the model could not read the text."""

from __future__ import annotations

from collections.abc import Sequence

REVIEW = "review"
# Notes of a prediction. Each one makes its decision `review`, whatever the confidence.
LONG_WORD_UNREAD = "long_word_unread"
MOSTLY_UNREAD = "mostly_unread"
UNREAD_REASONS = {
    MOSTLY_UNREAD: "the model cannot read more than half of the text, or of a part of it",
    LONG_WORD_UNREAD: "the model cannot read a long word of the text",
}
LOW_CONFIDENCE = "the confidence is below the model's threshold"


def review_reason(decision: str | None, notes: Sequence[str]) -> str | None:
    """Return why a person should look at the text; None if the decision is not `review`."""
    if decision != REVIEW:
        return None
    unread = (reason for note, reason in UNREAD_REASONS.items() if note in notes)
    return next(unread, LOW_CONFIDENCE)
