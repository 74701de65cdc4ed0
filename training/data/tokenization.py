"""Texts as token ids, computed in parallel and cached on disk for later runs on the same data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import tokenizers
from numpy.typing import NDArray

from scoring.input.tokenizer import Tokenizer
from training.atomic_write import PARTIAL_OF_PROCESS, atomic_file

TEXTS_PER_CALL = 4_096
# Part of the key of a cache file. Format 1 read a special token that a text spells as that token.
FORMAT = 2


@dataclass(frozen=True, slots=True)
class TokenRows:
    """Row i is `ids[starts[i]:starts[i + 1]]`, int32, with [CLS] and [SEP].

    `starts` has one more entry than there are rows.
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.starts)


def tokenize(
    tokenizer: tokenizers.Tokenizer,
    texts: Sequence[str],
    max_tokens: int,
    cache: Path | None = None,
) -> TokenRows:
    """Return the token ids of each text, truncated to `max_tokens`; `cache` is a folder."""
    if cache is None:
        return _tokenize(tokenizer, texts, max_tokens)
    path = cache / f"{_key(tokenizer, texts, max_tokens)}.npz"
    try:
        with path.open("rb") as file, np.load(file) as cached:
            return TokenRows(cached["ids"], cached["starts"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        # The cache file is absent or damaged.
        rows = _tokenize(tokenizer, texts, max_tokens)
        with atomic_file(path, PARTIAL_OF_PROCESS) as output:
            np.savez(output, ids=rows.ids, starts=rows.starts)
        return rows


def _tokenize(tokenizer: tokenizers.Tokenizer, texts: Iterable[str], max_tokens: int) -> TokenRows:
    reader = Tokenizer(tokenizer)
    rows = []
    stream = iter(texts)
    while chunk := list(islice(stream, TEXTS_PER_CALL)):
        for ids in reader.encode_all(chunk):
            rows.append(np.array(reader.wrap(ids[: max_tokens - 2]), dtype=np.int32))
    lengths = [0, *(len(row) for row in rows)]
    return TokenRows(np.concatenate(rows), np.cumsum(lengths, dtype=np.int64))


def _key(tokenizer: tokenizers.Tokenizer, texts: Iterable[str], max_tokens: int) -> str:
    digest = hashlib.sha256(f"{FORMAT}\0{max_tokens}\0{tokenizer.to_str()}".encode())
    for text in texts:
        digest.update(b"\0" + text.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:32]
