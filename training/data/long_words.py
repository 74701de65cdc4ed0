"""Divides long words, so that a new version reads them; WordPiece alone drops them."""

from __future__ import annotations

import json

import tokenizers
from tokenizers import models, pre_tokenizers

FIXED_LENGTH = "FixedLength"


def split_long_words(tokenizer: tokenizers.Tokenizer) -> None:
    """Divide words of more characters than WordPiece reads, 100 by default; change nothing else.

    WordPiece reads such a word as one [UNK]. Raising its limit would be too slow: its time grows
    with the cube of the word's length (docs/decisions/0021).
    """
    if not isinstance(tokenizer.model, models.WordPiece) or _splits_long_words(tokenizer):
        return
    split = pre_tokenizers.FixedLength(tokenizer.model.max_input_chars_per_word)
    first = tokenizer.pre_tokenizer
    tokenizer.pre_tokenizer = split if first is None else pre_tokenizers.Sequence([first, split])


def _splits_long_words(tokenizer: tokenizers.Tokenizer) -> bool:
    steps = json.loads(tokenizer.to_str())["pre_tokenizer"] or {}
    return FIXED_LENGTH in {step["type"] for step in steps.get("pretokenizers", [steps]) if step}
