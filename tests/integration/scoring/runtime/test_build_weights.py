"""Packed weights as LiteRT builds them, with the shipped model.

The process that builds a file answered wrongly at the second length that it scored, on a processor
with AVX-512; on others it does not. So the tests show that no such process scores.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from scoring.artifact.artifact import MODEL
from scoring.artifact.manifest import Manifest
from scoring.errors import WeightsUnavailable
from scoring.runtime import mapped_model, shared_weights
from scoring.runtime.build_weights import VERIFY, build, verify
from scoring.runtime.litert import InterpretedModel, LiteRtRuntime
from scoring.runtime.mapped_model import MappedModel, WeightsChanged
from scoring.runtime.shared_weights import SharedWeights
from tests.paths import SHIPPED

PATH = SHIPPED / MODEL
# Enough to compare some lengths; a longer input takes seconds.
MAX_TOKENS = 20


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    folder.chmod(0o700)
    sha256 = Manifest.read(SHIPPED).files[MODEL].sha256
    return SharedWeights(folder).find_or_build(PATH, sha256, MAX_TOKENS)


@pytest.fixture
def weights(built: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may damage."""
    copy = tmp_path / "copy.weights"
    shutil.copyfile(built, copy)
    return copy


def token_ids(length: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.arange(length, dtype=np.int32) + 1000


def is_plain(runtime: LiteRtRuntime) -> bool:
    return isinstance(runtime._single, InterpretedModel)


def test_logits_are_those_without_the_file_at_every_length_and_number_of_threads(
    built: Path,
) -> None:
    plain, mapped = LiteRtRuntime(PATH), LiteRtRuntime(PATH, built)
    assert not is_plain(mapped)
    for length in (9, 21, 9, 3, 40):
        expected = plain.logit(token_ids(length))
        assert mapped.logit(token_ids(length)) == expected
        assert mapped.logit(token_ids(length), 2) == plain.logit(token_ids(length), 2) == expected


def test_the_process_that_builds_does_not_score(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = Mock(spec=[])
    load = Mock(return_value=model)
    monkeypatch.setattr(mapped_model, "load", load)
    build(PATH, tmp_path / "target")
    load.assert_called_once_with(PATH, tmp_path / "target", threads=1)
    assert not model.mock_calls


@pytest.mark.parametrize("content", [None, b"", b"not weights" * 100])
def test_a_model_that_would_write_the_file_is_not_used(
    tmp_path: Path, content: bytes | None
) -> None:
    """LiteRT builds it silently: the process would score with weights that it wrote itself."""
    path = tmp_path / "some.weights"
    if content is not None:
        path.write_bytes(content)
    runtime = LiteRtRuntime(PATH, path)
    assert is_plain(runtime)
    assert runtime.logit(token_ids(9)) == LiteRtRuntime(PATH).logit(token_ids(9))


def test_a_truncated_file_is_not_used(weights: Path) -> None:
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(WeightsChanged):
        MappedModel(PATH, weights, threads=1)


def test_weights_that_differ_are_not_accepted(weights: Path) -> None:
    content = bytearray(weights.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 100_000] = bytes(100_000)
    weights.write_bytes(content)
    with pytest.raises(SystemExit, match=r"tokens, .* instead of"):
        verify(PATH, weights, MAX_TOKENS)


def test_a_failure_of_the_process_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailable, match=r"^the process that builds them failed: Weights"):
        shared_weights._run(VERIFY, str(PATH), str(tmp_path / "missing.weights"), "20")
