"""The hashes of the texts that a version was trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scoring.artifact.seen_texts import FILE, SeenTexts
from scoring.errors import ArtifactInvalid


def test_texts_are_recognised_whatever_their_case_and_white_space(tmp_path: Path) -> None:
    SeenTexts.of(["Win a  prize", "See you at nine", "Win a prize"]).write(tmp_path)
    seen = SeenTexts.read(tmp_path)
    assert seen is not None
    assert len(seen.hashes) == 2
    assert "win a prize\n" in seen
    assert "See you at ten" not in seen


def test_no_text_is_in_an_empty_set() -> None:
    assert "anything" not in SeenTexts.of([])


def test_version_of_an_earlier_release_has_no_hashes(tmp_path: Path) -> None:
    assert SeenTexts.read(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"not an array", b"\x93NUMPY"])
def test_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(ArtifactInvalid, match="cannot be read"):
        SeenTexts.read(tmp_path)


def test_file_with_other_numbers_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / FILE, np.zeros(3))
    with pytest.raises(ArtifactInvalid, match="does not contain hashes"):
        SeenTexts.read(tmp_path)
