"""Converts a text to token ids with the tokenizer file of an artifact."""

from __future__ import annotations

import os
from pathlib import Path

# The tokenizer's threads would not survive the worker's fork, and a single text needs none.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import tokenizers

from scoring.errors import ArtifactInvalid

CLS = "[CLS]"
SEP = "[SEP]"
UNKNOWN = "[UNK]"
PAD = "[PAD]"
MASK = "[MASK]"
SPECIALS = (PAD, UNKNOWN, CLS, SEP, MASK)


class Tokenizer:
    """`encode` returns the ids of the text itself; `wrap` adds [CLS] and [SEP]."""

    def __init__(self, tokenizer: tokenizers.Tokenizer) -> None:
        # The file may have either enabled, which would truncate or pad texts silently.
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self.cls_id = self._special(CLS)
        self.sep_id = self._special(SEP)
        self.unknown_id = self._special(UNKNOWN)

    @classmethod
    def read(cls, path: Path) -> Tokenizer:
        try:
            return cls(tokenizers.Tokenizer.from_file(str(path)))
        except ArtifactInvalid:
            raise
        # The library raises a bare Exception for a file it cannot read.
        except Exception as error:
            raise ArtifactInvalid(f"{path} is not a tokenizer: {error}.") from error

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def wrap(self, ids: list[int]) -> list[int]:
        """Return the input of the model: [CLS], the ids, [SEP]."""
        return [self.cls_id, *ids, self.sep_id]

    def _special(self, token: str) -> int:
        token_id: int | None = self._tokenizer.token_to_id(token)
        if token_id is None:
            raise ArtifactInvalid(f"The tokenizer has no {token} token.")
        return token_id
