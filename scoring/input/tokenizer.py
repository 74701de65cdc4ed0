"""Converts a text to token ids with the tokenizer file of an artifact."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
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
# WordPiece's prefix of a piece that is not the first of its word.
CONTINUATION = "##"


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a text itself: their ids, and the characters (start, end) that each covers."""

    ids: list[int]
    spans: list[tuple[int, int]]


class Tokenizer:
    """`tokens` and `encode` read the text itself; `wrap` adds [CLS] and [SEP].

    A special token that a text spells, such as "[SEP]", is read like any other text.
    """

    def __init__(self, tokenizer: tokenizers.Tokenizer) -> None:
        # The file may have either enabled, which would truncate or pad texts silently.
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self.cls_id = self._special(CLS)
        self.sep_id = self._special(SEP)
        self.unknown_id = self._special(UNKNOWN)
        self._reserved = frozenset(map(tokenizer.token_to_id, SPECIALS)) - {None, self.unknown_id}
        # The file may list them as added tokens that are not special, which the setting below would
        # not cover. The file does not hold the setting.
        tokenizer.add_special_tokens([t for t in SPECIALS if tokenizer.token_to_id(t) is not None])
        tokenizer.encode_special_tokens = True

    @classmethod
    def read(cls, path: Path) -> Tokenizer:
        try:
            return cls(tokenizers.Tokenizer.from_file(str(path)))
        except ArtifactInvalid:
            raise
        # The library raises a bare Exception for a file it cannot read.
        except Exception as error:
            raise ArtifactInvalid(f"{path} is not a tokenizer: {error}.") from error

    def tokens(self, text: str) -> Tokens:
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return Tokens(self._without_reserved(encoding.ids), encoding.offsets)

    def encode(self, text: str) -> list[int]:
        return self._without_reserved(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Like `encode` for each text; the library distributes one call over all cores."""
        encodings = self._tokenizer.encode_batch(texts, add_special_tokens=False)
        return [self._without_reserved(encoding.ids) for encoding in encodings]

    def vocabulary(self) -> dict[str, int]:
        """Return every token and its id."""
        return self._tokenizer.get_vocab()

    def wrap(self, ids: list[int]) -> list[int]:
        """Return the input of the model: [CLS], the ids, [SEP]."""
        return [self.cls_id, *ids, self.sep_id]

    def _without_reserved(self, ids: list[int]) -> list[int]:
        # A tokenizer that keeps case and splits only at spaces looks "[SEP]" up in its vocabulary.
        if self._reserved.isdisjoint(ids):
            return ids
        return [self.unknown_id if token in self._reserved else token for token in ids]

    def _special(self, token: str) -> int:
        token_id: int | None = self._tokenizer.token_to_id(token)
        if token_id is None:
            raise ArtifactInvalid(f"The tokenizer has no {token} token.")
        return token_id
