"""How much of a text the model reads, and when that is too little for a decision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from plumbline_client.review import LONG_WORD_UNREAD, MOSTLY_UNREAD
from plumbline_client.text import is_visible
from scoring.input.tokenizer import CONTINUATION, Tokens

# A share of the tokens, and of the visible characters: docs/decisions/0021.
MAX_UNREAD_SHARE = 0.5
# In characters. WordPiece reads a word of more than 100 characters as one [UNK]. BERT's normalizer
# divides a Korean character into up to three, so such a word has 34 characters or more in the text.
LONGEST_UNREAD_WORD = 33


def unread_ids(
    vocabulary: Mapping[str, int], unknown_id: int, seen: NDArray[np.bool_]
) -> frozenset[int]:
    """Return the tokens that carry nothing the model has learned.

    They are [UNK], and the tokens with a character that no training text contained: the vocabulary
    of a pretrained model has letters of languages that the version was not trained on. `seen` is
    that of `Familiarity`.
    """
    trained = frozenset(np.flatnonzero(seen).tolist())
    pieces = {number: token.removeprefix(CONTINUATION) for token, number in vocabulary.items()}
    alphabet = frozenset().union(*(piece for number, piece in pieces.items() if number in trained))
    unread = (number for number, piece in pieces.items() if not alphabet.issuperset(piece))
    return frozenset(unread) | {unknown_id}


def unread_notes(
    text: str, tokens: Tokens, unread_ids: AbstractSet[int], windows: Sequence[Sequence[int]]
) -> tuple[str, ...]:
    """Return the notes on what the model does not read; none if it reads enough.

    It does not read the characters of unread tokens, nor those that the tokenizer drops. `windows`
    are the positions of each window's tokens: each window contributes a probability, so the model
    has to read enough of each.
    """
    unread_tokens = [token in unread_ids for token in tokens.ids]
    visible = bytearray(map(is_visible, text))
    unread = visible[:]
    for (start, end), is_unread in zip(tokens.spans, unread_tokens, strict=True):
        if not is_unread:
            unread[start:end] = bytes(end - start)
    if not any(unread):
        return ()
    notes = []
    if any(sum(unread[start:end]) > LONGEST_UNREAD_WORD for start, end in tokens.spans):
        notes.append(LONG_WORD_UNREAD)
    token_share, character_share = _Share(unread_tokens), _Share(unread, visible)
    shares = [character_share.within(0, len(text))]
    for window in (range(len(tokens.ids)), *windows):
        first, last = window[0], window[-1]
        shares.append(token_share.within(first, last + 1))
        shares.append(character_share.within(tokens.spans[first][0], tokens.spans[last][1]))
    if max(shares) > MAX_UNREAD_SHARE:
        notes.append(MOSTLY_UNREAD)
    return tuple(notes)


class _Share:
    """The share of the positions in a range that have a flag, in constant time per range."""

    def __init__(self, flags: Iterable[int], counted: Iterable[int] | None = None) -> None:
        """`counted` flags the positions that count; the default is all."""
        self._flagged = list(accumulate(flags, initial=0))
        every: Sequence[int] = range(len(self._flagged))
        self._counted = every if counted is None else list(accumulate(counted, initial=0))

    def within(self, start: int, end: int) -> float:
        counted = self._counted[end] - self._counted[start]
        return (self._flagged[end] - self._flagged[start]) / counted if counted else 0.0
