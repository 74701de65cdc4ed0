"""How much of a text the training texts have shown before: numbers, learned without keeping a text.

Character pairs and triples are kept as hashed bits, tokens as their counts' logarithm, so it is the
same for any language and a few tens of kilobytes for any amount of training data.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scoring.errors import ArtifactInvalid

FAMILIARITY_FEATURES = (
    "token_surprise",
    "new_token_share",
    "new_pair_share",
    "new_triple_share",
)
# Hundreds of thousands of different pairs, as in Chinese, must not fill the table.
PAIR_BITS, TRIPLE_BITS = 17, 19
# Prior count of a token: Jeffreys' prior of a multinomial.
PRIOR = 0.5
# Knuth's multiplicative hashing (The Art of Computer Programming, volume 3, section 6.4).
_GOLDEN = np.uint32(2_654_435_769)
_NEXT = np.uint32(1_000_003)


@dataclass(frozen=True, slots=True, eq=False)
class Familiarity:
    """`surprise` [vocabulary] is -ln of a token's share of training, `seen` whether it was there.

    `pairs` and `triples` are tables of bits, one for each hash of 2 or 3 neighbouring characters.
    """

    surprise: NDArray[np.float32]
    seen: NDArray[np.bool_]
    pairs: NDArray[np.bool_]
    triples: NDArray[np.bool_]

    @classmethod
    def learn(
        cls, texts: Iterable[str], token_ids: Iterable[Sequence[int]], vocabulary: int
    ) -> Familiarity:
        """From the training texts, and each one's tokens out of `vocabulary`."""
        counts = np.zeros(vocabulary, np.int64)
        for ids in token_ids:
            np.add.at(counts, np.asarray(ids, np.int64), 1)
        pairs, triples = np.zeros(1 << PAIR_BITS, np.bool_), np.zeros(1 << TRIPLE_BITS, np.bool_)
        for text in texts:
            codes = _codes(text)
            pairs[_hashes(codes, 2, PAIR_BITS)] = True
            triples[_hashes(codes, 3, TRIPLE_BITS)] = True
        share = (counts + PRIOR) / (counts.sum() + PRIOR * vocabulary)
        return cls(-np.log(share).astype(np.float32), counts > 0, pairs, triples)

    def describe(self, text: str, token_ids: Sequence[int]) -> dict[str, float]:
        """Return every feature of FAMILIARITY_FEATURES; zeros where there is nothing to look at.

        `token_surprise` is the mean of the tokens' surprise in nats, the cross-entropy of the text
        under training's unigrams; the others are shares in [0, 1] of what training never showed.
        """
        ids, codes = np.asarray(token_ids, np.int64), _codes(text)
        return {
            "token_surprise": _mean(self.surprise[ids]),
            "new_token_share": _mean(~self.seen[ids]),
            "new_pair_share": _mean(~self.pairs[_hashes(codes, 2, PAIR_BITS)]),
            "new_triple_share": _mean(~self.triples[_hashes(codes, 3, TRIPLE_BITS)]),
        }

    def write(self, path: Path) -> None:
        np.savez_compressed(
            path,
            surprise=self.surprise,
            seen=np.packbits(self.seen),
            pairs=np.packbits(self.pairs),
            triples=np.packbits(self.triples),
        )

    @classmethod
    def read(cls, path: Path) -> Familiarity:
        """Raise ArtifactInvalid for what `write` did not write."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                surprise = kept["surprise"].astype(np.float32)
                return cls(
                    surprise,
                    _bits(kept["seen"], len(surprise)),
                    _bits(kept["pairs"], 1 << PAIR_BITS),
                    _bits(kept["triples"], 1 << TRIPLE_BITS),
                )
        # zipfile's and NumPy's own errors have no other base.
        except Exception as error:
            raise ArtifactInvalid(f"{path} says nothing of the training texts: {error}.") from error


def _codes(text: str) -> NDArray[np.uint32]:
    """Code points, a space before and behind, white space collapsed; case is kept."""
    framed = f" {' '.join(text.split())} "
    return np.frombuffer(framed.encode("utf-32-le", "surrogatepass"), np.uint32)


def _hashes(codes: NDArray[np.uint32], size: int, bits: int) -> NDArray[np.uint32]:
    """A number of `bits` bits for each `size` neighbouring characters; arithmetic modulo 2^32."""
    count = max(len(codes) - size + 1, 0)
    hashed = np.zeros(count, np.uint32)
    for offset in range(size):
        hashed = hashed * _NEXT + codes[offset : offset + count]
    return (hashed * _GOLDEN) >> np.uint32(32 - bits)


def _bits(packed: NDArray[np.uint8], count: int) -> NDArray[np.bool_]:
    if len(packed) != (count + 7) // 8:
        raise ValueError(f"{len(packed)} bytes hold no {count} bits")
    return np.unpackbits(packed, count=count).astype(np.bool_)


def _mean(values: NDArray[np.bool_] | NDArray[np.float32]) -> float:
    return float(values.mean()) if len(values) else 0.0
