"""From text to token ids, through a `tokenizers` file."""

from __future__ import annotations

import os
from pathlib import Path

# Its threads would not survive the worker's fork; one text at a time needs none.
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
    """`encode` gives the ids of the text itself; `cls_id` and `sep_id` go round them."""

    def __init__(self, tokenizer: tokenizers.Tokenizer) -> None:
        # Whoever trained it may have left either on, and both would cut or pad silently.
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
        # The library raises Exception itself for a file it cannot read.
        except Exception as error:
            raise ArtifactInvalid(f"{path} is no tokenizer: {error}.") from error

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def wrap(self, ids: list[int]) -> list[int]:
        """[CLS], the ids, [SEP]: what the model reads."""
        return [self.cls_id, *ids, self.sep_id]

    def _special(self, token: str) -> int:
        token_id: int | None = self._tokenizer.token_to_id(token)
        if token_id is None:
            raise ArtifactInvalid(f"The tokenizer has no {token} token.")
        return token_id
