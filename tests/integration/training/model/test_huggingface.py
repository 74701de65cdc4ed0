"""The backbone computes the same hidden states from a checkpoint as `transformers` does.

tests/fixtures holds the hidden states of `transformers`, written by make_reference.py. If
`transformers` is installed, they are computed again.
"""

import importlib.util
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.paths import FIXTURES
from training.errors import InitialWeightsInvalid
from training.model.huggingface import load_backbone, read_pretrained, save_backbone

pytestmark = pytest.mark.slow

CHECKPOINTS = ("bert-tiny", "distilbert-tiny")
TOLERANCE = 1e-4
REAL_CHECKPOINT = "PLUMBLINE_TEST_CHECKPOINT"


@dataclass(frozen=True)
class Reference:
    """Texts, their padded ids [b, n] and hidden states [b, n, components]."""

    texts: list[str]
    ids: Any
    states: Any


def frozen(name: str) -> Reference:
    with np.load(FIXTURES / f"{name}.npz") as stored:
        return Reference(stored["texts"].tolist(), stored["ids"], stored["states"])


def recomputed(name: str) -> Reference:
    texts = frozen(name).texts
    return Reference(texts, *compute_with_transformers(FIXTURES / name, texts))


def compute_with_transformers(folder: Path, texts: list[str]) -> tuple[Any, Any]:
    if not all(importlib.util.find_spec(name) for name in ("torch", "transformers")):
        pytest.skip("needs torch and transformers; the frozen reference is compared in any case")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tests.fixtures.make_reference import reference

        return reference(folder, tuple(texts))


def backbone_of(tf_modules: Any, folder: Path) -> Any:
    checkpoint = read_pretrained(folder)
    backbone = tf_modules.architecture.Backbone(checkpoint.shape)
    load_backbone(backbone, checkpoint)
    return backbone


def assert_same_states(tf_modules: Any, folder: Path, expected: Reference) -> None:
    backbone, components = backbone_of(tf_modules, folder), expected.states.shape[-1]
    every = np.array(backbone(expected.ids))[..., :components]
    np.testing.assert_allclose(every, expected.states, rtol=0, atol=TOLERANCE)
    first = np.array(backbone(expected.ids, first_only=True))[..., :components]
    np.testing.assert_allclose(first, expected.states[:, :1], rtol=0, atol=TOLERANCE)
    # As a worker scores them: one text at a time, without padding.
    for ids, states in zip(expected.ids, expected.states, strict=True):
        length = np.count_nonzero(ids)
        alone = np.array(backbone(ids[None, :length], masked=False))[0, :, :components]
        np.testing.assert_allclose(alone, states[:length], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("reference", [frozen, recomputed])
@pytest.mark.parametrize("name", CHECKPOINTS)
def test_hidden_states_equal_those_of_transformers(
    tf_modules: Any, name: str, reference: Callable[[str], Reference]
) -> None:
    expected = reference(name)
    # The tolerance is absolute, so the states must not be small.
    assert np.abs(expected.states).max() > 1
    assert len({np.count_nonzero(ids) for ids in expected.ids}) > 2
    assert_same_states(tf_modules, FIXTURES / name, expected)


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_token_ids_equal_those_of_transformers(name: str) -> None:
    assert_same_ids(FIXTURES / name, frozen(name))


def assert_same_ids(folder: Path, expected: Reference) -> None:
    encoded = read_pretrained(folder).tokenizer.encode_batch(expected.texts)
    assert [entry.ids for entry in encoded] == [ids[ids > 0].tolist() for ids in expected.ids]


def test_real_checkpoint_equals_transformers(tf_modules: Any) -> None:
    """all-MiniLM-L6-v2, a BERT of 22.7 million parameters."""
    if not os.environ.get(REAL_CHECKPOINT):
        pytest.skip(f"needs {REAL_CHECKPOINT} to name the unpacked folder of all-MiniLM-L6-v2")
    folder, expected = Path(os.environ[REAL_CHECKPOINT]), frozen("all-minilm-l6-v2")
    assert_same_ids(folder, expected)
    assert_same_states(tf_modules, folder, expected)


def test_loading_a_backbone_leaves_the_head_unchanged(tf_modules: Any) -> None:
    checkpoint = read_pretrained(FIXTURES / "bert-tiny")
    model = tf_modules.architecture.build_classifier(checkpoint.shape)
    head = [weights for layer in model.head for weights in layer.get_weights()]
    load_backbone(model.backbone, checkpoint)
    expected = frozen("bert-tiny")
    np.testing.assert_allclose(
        np.array(model.backbone(expected.ids)), expected.states, rtol=0, atol=TOLERANCE
    )
    after = [weights for layer in model.head for weights in layer.get_weights()]
    for was, now in zip(head, after, strict=True):
        np.testing.assert_array_equal(was, now)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"layers": 3}, "block_2/attention/key/bias"),
        ({"layers": 1}, "block_1/attention/key/bias"),
        ({"max_tokens": 64}, "embeddings/position/embeddings"),
    ],
)
def test_backbone_of_another_shape_is_refused_and_unchanged(
    tf_modules: Any, change: dict[str, int], named: str
) -> None:
    checkpoint = read_pretrained(FIXTURES / "bert-tiny")
    backbone = tf_modules.architecture.Backbone(replace(checkpoint.shape, **change))
    backbone(np.ones((1, 4), "int32"))
    before = backbone.get_weights()
    with pytest.raises(InitialWeightsInvalid, match=named):
        load_backbone(backbone, checkpoint)
    for was, now in zip(before, backbone.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)


@pytest.fixture(params=[1e-12, 1e-5])
def saved(request: pytest.FixtureRequest, tf_modules: Any, tmp_path: Path) -> tuple[Path, Any]:
    """A folder and the random backbone written to it; LayerNorm's epsilon decides the family."""
    checkpoint = read_pretrained(FIXTURES / "distilbert-tiny")
    shape = replace(checkpoint.shape, layer_norm_epsilon=request.param)
    backbone = tf_modules.architecture.Backbone(shape)
    backbone(np.ones((1, 4), "int32"))
    random = np.random.default_rng(2)
    backbone.set_weights([random.normal(0, 0.3, w.shape) for w in backbone.get_weights()])
    folder = tmp_path / "saved"
    save_backbone(folder, backbone, shape, checkpoint.tokenizer)
    again = read_pretrained(folder)
    assert (again.shape, again.family) == (shape, "distilbert" if request.param < 1e-6 else "bert")
    assert again.tokenizer.to_str() == checkpoint.tokenizer.to_str()
    return folder, backbone


def test_saved_backbone_is_read_back_bit_for_bit(tf_modules: Any, saved: tuple[Path, Any]) -> None:
    folder, backbone = saved
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    }
    again = backbone_of(tf_modules, folder)
    for was, now in zip(backbone.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)


def test_transformers_reads_a_saved_backbone(saved: tuple[Path, Any]) -> None:
    folder, backbone = saved
    ids, states = compute_with_transformers(folder, frozen("distilbert-tiny").texts)
    np.testing.assert_allclose(np.array(backbone(ids)), states, rtol=0, atol=TOLERANCE)
