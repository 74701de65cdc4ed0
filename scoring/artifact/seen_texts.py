"""Which texts a version was trained or calibrated on, as hashes: labels of these prove nothing.

A hash has 32 bits, so that one in 4,300 unseen texts counts as seen if a million were.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scoring.errors import ArtifactInvalid

FILE = "seen_texts.npy"
BITS = 32


@dataclass(frozen=True, slots=True)
class SeenTexts:
    """`hashes` are sorted."""

    hashes: NDArray[np.uint32]

    @classmethod
    def of(cls, texts: Iterable[str]) -> SeenTexts:
        return cls(np.unique(np.fromiter(map(_hash, texts), np.uint32)))

    @classmethod
    def read(cls, folder: Path) -> SeenTexts | None:
        """Return None for a version of a release that did not write the file."""
        path = folder / FILE
        if not path.is_file():
            return None
        try:
            hashes = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ArtifactInvalid(f"{path} cannot be read: {error}.") from error
        if hashes.dtype != np.uint32 or hashes.ndim != 1:
            raise ArtifactInvalid(f"{path} does not contain hashes of texts.")
        return cls(hashes)

    def write(self, folder: Path) -> None:
        np.save(folder / FILE, self.hashes, allow_pickle=False)

    def __contains__(self, text: str) -> bool:
        wanted = np.uint32(_hash(text))
        position = int(np.searchsorted(self.hashes, wanted))
        return position < len(self.hashes) and self.hashes[position] == wanted


def normalise(text: str) -> str:
    """Lower-case the text and collapse white space. Texts with the same result are duplicates."""
    return " ".join(text.lower().split())


def _hash(text: str) -> int:
    digest = hashlib.sha256(normalise(text).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[: BITS // 8], "big")
