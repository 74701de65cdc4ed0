"""The numbers that drift is computed from. They describe a text without containing any of it."""

from __future__ import annotations

from collections.abc import Iterable

from scoring.input.familiarity import FAMILIARITY_FEATURES

PLAIN_FEATURES = (
    "chars",
    "words",
    "tokens",
    "unknown_share",
    "digit_share",
    "upper_share",
    "punctuation_share",
    "non_ascii_share",
)
INPUT_FEATURES = (*PLAIN_FEATURES, *FAMILIARITY_FEATURES)


def plain_features(text: str, token_ids: Iterable[int], unknown_id: int | None) -> dict[str, float]:
    """Return PLAIN_FEATURES. Shares are of characters; `unknown_share` is of tokens.

    `token_ids` are those of the text itself, without special tokens.
    """
    ids = list(token_ids)
    chars = max(len(text), 1)
    return {
        "chars": float(len(text)),
        "words": float(len(text.split())),
        "tokens": float(len(ids)),
        "unknown_share": sum(i == unknown_id for i in ids) / max(len(ids), 1),
        "digit_share": sum(c.isdigit() for c in text) / chars,
        "upper_share": sum(c.isupper() for c in text) / chars,
        "punctuation_share": sum(not c.isalnum() and not c.isspace() for c in text) / chars,
        "non_ascii_share": sum(ord(c) > 127 for c in text) / chars,
    }
