"""How familiar a text is from training, computed without storing any training text.

Character pairs and triples are stored as hashed bits, tokens as the logarithm of their frequency.
This works for any language and takes a few tens of kilobytes for any amount of training data.
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
# Large enough that the hundreds of thousands of pairs of Chinese text do not fill the table.
PAIR_BITS, TRIPLE_BITS = 17, 19
# The prior count of each token: Jeffreys' prior for a multinomial.
PRIOR = 0.5
# Knuth's multiplicative hashing (The Art of Computer Programming, volume 3, section 6.4).
_GOLDEN = np.uint32(2_654_435_769)
_NEXT = np.uint32(1_000_003)


@dataclass(frozen=True, slots=True, eq=False)
class Familiarity:
    """Statistics of the training texts.

    `surprise` [vocabulary] is -ln of a token's share of the training tokens, and `seen` whether the
    token occurred. `pairs` and `triples` have one bit per hash of 2 or 3 neighbouring characters.
    """

    surprise: NDArray[np.float32]
    seen: NDArray[np.bool_]
    pairs: NDArray[np.bool_]
    triples: NDArray[np.bool_]

    @classmethod
    def learn(
        cls, texts: Iterable[str], token_ids: Iterable[Sequence[int]], vocabulary: int
    ) -> Familiarity:
        """Learn from the training texts and their token ids, which are below `vocabulary`."""
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

    def features(self, text: str, token_ids: Sequence[int]) -> dict[str, float]:
        """Return FAMILIARITY_FEATURES; a text without tokens or characters has zeros.

        `token_surprise` is the mean surprise of the tokens in nats: the cross-entropy of the text
        under the unigram model of the training texts. The others are the shares in [0, 1] of
        tokens, pairs and triples that did not occur in training.
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
        """Read a file that `write` wrote. Raises ArtifactInvalid for any other."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                surprise = arrays["surprise"].astype(np.float32)
                return cls(
                    surprise,
                    _unpack_bits(arrays["seen"], len(surprise)),
                    _unpack_bits(arrays["pairs"], 1 << PAIR_BITS),
                    _unpack_bits(arrays["triples"], 1 << TRIPLE_BITS),
                )
        # The errors of zipfile and NumPy have no other base in common.
        except Exception as error:
            raise ArtifactInvalid(f"{path} is not a familiarity file: {error}.") from error


def _codes(text: str) -> NDArray[np.uint32]:
    """Return code points: case is kept, white space collapsed, a space added at both ends."""
    framed = f" {' '.join(text.split())} "
    return np.frombuffer(framed.encode("utf-32-le", "surrogatepass"), np.uint32)


def _hashes(codes: NDArray[np.uint32], size: int, bits: int) -> NDArray[np.uint32]:
    """Return one hash of `bits` bits per `size` neighbouring characters; arithmetic modulo 2^32."""
    count = max(len(codes) - size + 1, 0)
    hashes = np.zeros(count, np.uint32)
    for offset in range(size):
        hashes = hashes * _NEXT + codes[offset : offset + count]
    return (hashes * _GOLDEN) >> np.uint32(32 - bits)


def _unpack_bits(packed: NDArray[np.uint8], count: int) -> NDArray[np.bool_]:
    if len(packed) != (count + 7) // 8:
        raise ValueError(f"{len(packed)} bytes are not {count} bits")
    return np.unpackbits(packed, count=count).astype(np.bool_)


def _mean(values: NDArray[np.bool_] | NDArray[np.float32]) -> float:
    return float(values.mean()) if len(values) else 0.0
