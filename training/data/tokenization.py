"""Texts as token ids: made once, in parallel, and kept on disk for the next run like this one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import tokenizers
from numpy.typing import NDArray

from scoring.input.tokenizer import CLS, SEP

AT_ONCE = 4_096


@dataclass(frozen=True, slots=True)
class TokenRows:
    """Row i is `ids[starts[i]:starts[i + 1]]`, int32, specials included; `starts` has rows + 1."""

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
    """Token ids of each text, cut at `max_tokens`; from the folder `cache` where they are there."""
    if cache is None:
        return _tokenize(tokenizer, texts, max_tokens)
    path = cache / f"{_key(tokenizer, texts, max_tokens)}.npz"
    try:
        with path.open("rb") as file, np.load(file) as kept:
            return TokenRows(kept["ids"], kept["starts"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        # Nothing there, or a file that somebody damaged: both are made anew.
        rows = _tokenize(tokenizer, texts, max_tokens)
        _keep(path, rows)
        return rows


def _tokenize(tokenizer: tokenizers.Tokenizer, texts: Iterable[str], max_tokens: int) -> TokenRows:
    cls, sep = tokenizer.token_to_id(CLS), tokenizer.token_to_id(SEP)
    rows = []
    stream = iter(texts)
    while part := list(islice(stream, AT_ONCE)):
        # The library spreads one call over all cores.
        for entry in tokenizer.encode_batch(part, add_special_tokens=False):
            rows.append(np.array([cls, *entry.ids[: max_tokens - 2], sep], dtype=np.int32))
    lengths = [0, *(len(row) for row in rows)]
    return TokenRows(np.concatenate(rows), np.cumsum(lengths, dtype=np.int64))


def _key(tokenizer: tokenizers.Tokenizer, texts: Iterable[str], max_tokens: int) -> str:
    digest = hashlib.sha256(f"{max_tokens}\0{tokenizer.to_str()}".encode())
    for text in texts:
        digest.update(b"\0" + text.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:32]


def _keep(path: Path, rows: TokenRows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    with partial.open("wb") as file:
        np.savez(file, ids=rows.ids, starts=rows.starts)
    partial.replace(path)
