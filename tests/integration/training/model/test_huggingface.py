"""The hidden states of checkpoints read into our backbone, against those of `transformers`.

What `transformers` computed is frozen in tests/fixtures (make_reference.py there says how); where
it is installed it is asked again.
"""

import importlib.util
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.paths import FIXTURES
from training.errors import StartUnusable
from training.model.huggingface import load_backbone, read_checkpoint, save_backbone
from training.quiet_import import quiet_import

pytestmark = pytest.mark.slow

CHECKPOINTS = ("bert-tiny", "distilbert-tiny")
TOLERANCE = 1e-4
REAL = "PLUMBLINE_TEST_CHECKPOINT"


@dataclass(frozen=True)
class Reference:
    """Texts, their padded ids [b, n] and hidden states [b, n, components]."""

    texts: list[str]
    ids: Any
    states: Any


def frozen(name: str) -> Reference:
    with np.load(FIXTURES / f"{name}.npz") as kept:
        return Reference(kept["texts"].tolist(), kept["ids"], kept["states"])


def asked_again(name: str) -> Reference:
    return Reference(frozen(name).texts, *transformers_answer(FIXTURES / name, frozen(name).texts))


def transformers_answer(folder: Path, texts: list[str]) -> tuple[Any, Any]:
    if not all(importlib.util.find_spec(name) for name in ("torch", "transformers")):
        pytest.skip("needs torch and transformers installed; the frozen reference is compared")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tests.fixtures.make_reference import reference

        return reference(folder, tuple(texts))


@pytest.fixture(scope="module")
def made() -> Any:
    """The training house with TensorFlow in it, imported when the first test needs it."""
    with warnings.catch_warnings(), quiet_import():
        warnings.simplefilter("ignore")
        import keras

        from training.model import architecture
    keras.utils.set_random_seed(3)
    return SimpleNamespace(keras=keras, model=architecture)


def loaded(made: Any, folder: Path) -> Any:
    checkpoint = read_checkpoint(folder)
    backbone = made.model.Backbone(checkpoint.shape)
    load_backbone(backbone, checkpoint)
    return backbone


def compare(made: Any, folder: Path, expected: Reference) -> None:
    backbone, components = loaded(made, folder), expected.states.shape[-1]
    every = np.array(backbone(expected.ids))[..., :components]
    np.testing.assert_allclose(every, expected.states, rtol=0, atol=TOLERANCE)
    first = np.array(backbone(expected.ids, first_only=True))[..., :components]
    np.testing.assert_allclose(first, expected.states[:, :1], rtol=0, atol=TOLERANCE)
    # As texts are served: alone, without padding.
    for ids, states in zip(expected.ids, expected.states, strict=True):
        length = np.count_nonzero(ids)
        alone = np.array(backbone(ids[None, :length], masked=False))[0, :, :components]
        np.testing.assert_allclose(alone, states[:length], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("reference", [frozen, asked_again])
@pytest.mark.parametrize("name", CHECKPOINTS)
def test_hidden_states_are_those_of_transformers(
    made: Any, name: str, reference: Callable[[str], Reference]
) -> None:
    expected = reference(name)
    # Small states would be near to anything.
    assert np.abs(expected.states).max() > 1
    assert len({np.count_nonzero(ids) for ids in expected.ids}) > 2
    compare(made, FIXTURES / name, expected)


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_ids_are_those_of_transformers(name: str) -> None:
    same_ids(FIXTURES / name, frozen(name))


def same_ids(folder: Path, expected: Reference) -> None:
    found = read_checkpoint(folder).tokenizer.encode_batch(expected.texts)
    assert [entry.ids for entry in found] == [ids[ids > 0].tolist() for ids in expected.ids]


def test_a_real_checkpoint(made: Any) -> None:
    """all-MiniLM-L6-v2, a BERT of 22.7 million parameters."""
    if not os.environ.get(REAL):
        pytest.skip(f"needs {REAL} to name the unpacked folder of all-MiniLM-L6-v2")
    folder, expected = Path(os.environ[REAL]), frozen("all-minilm-l6-v2")
    same_ids(folder, expected)
    compare(made, folder, expected)


def test_the_classifiers_backbone_is_loaded_whole(made: Any) -> None:
    checkpoint = read_checkpoint(FIXTURES / "bert-tiny")
    model = made.model.build(checkpoint.shape)
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
def test_a_backbone_of_another_shape_is_refused_and_stays_as_it_was(
    made: Any, change: dict[str, int], named: str
) -> None:
    checkpoint = read_checkpoint(FIXTURES / "bert-tiny")
    backbone = made.model.Backbone(replace(checkpoint.shape, **change))
    backbone(np.ones((1, 4), "int32"))
    before = backbone.get_weights()
    with pytest.raises(StartUnusable, match=named):
        load_backbone(backbone, checkpoint)
    for was, now in zip(before, backbone.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)


@pytest.fixture(params=[1e-12, 1e-5])
def saved(request: pytest.FixtureRequest, made: Any, tmp_path: Path) -> tuple[Path, Any]:
    """A random backbone and the folder it was written to; LayerNorm's epsilon names the family."""
    checkpoint = read_checkpoint(FIXTURES / "distilbert-tiny")
    shape = replace(checkpoint.shape, layer_norm_epsilon=request.param)
    backbone = made.model.Backbone(shape)
    backbone(np.ones((1, 4), "int32"))
    draw = np.random.default_rng(2)
    backbone.set_weights([draw.normal(0, 0.3, w.shape) for w in backbone.get_weights()])
    folder = tmp_path / "saved"
    save_backbone(folder, backbone, shape, checkpoint.tokenizer)
    again = read_checkpoint(folder)
    assert (again.shape, again.family) == (shape, "distilbert" if request.param < 1e-6 else "bert")
    assert again.tokenizer.to_str() == checkpoint.tokenizer.to_str()
    return folder, backbone


def test_what_was_saved_is_read_back_bit_for_bit(made: Any, saved: tuple[Path, Any]) -> None:
    folder, backbone = saved
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    }
    for was, now in zip(backbone.get_weights(), loaded(made, folder).get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)


def test_transformers_reads_what_was_saved(saved: tuple[Path, Any]) -> None:
    folder, backbone = saved
    ids, states = transformers_answer(folder, frozen("distilbert-tiny").texts)
    np.testing.assert_allclose(np.array(backbone(ids)), states, rtol=0, atol=TOLERANCE)
