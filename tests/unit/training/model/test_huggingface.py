"""What is read from a checkpoint, and what is refused, without TensorFlow."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.paths import FIXTURES
from training.errors import StartUnusable
from training.model.huggingface import read_checkpoint
from training.presets import ModelConfig

FAMILIES = ("bert", "distilbert")
Tensors = dict[str, Any]


@pytest.fixture(params=FAMILIES)
def checkpoint(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return copied(request.param, tmp_path)


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    return copied("bert", tmp_path)


def copied(family: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(FIXTURES / f"{family}-tiny", tmp_path / family))


def change_tensors(folder: Path, change: Callable[[Tensors], Tensors]) -> None:
    tensors = change(load_file(folder / "model.safetensors"))
    save_file(tensors, folder / "model.safetensors")


def change_json(path: Path, change: Callable[[Any], Any]) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def config(folder: Path, **values: Any) -> None:
    change_json(folder / "config.json", lambda found: found | values)


def refused(folder: Path) -> str:
    """The one sentence the folder is refused with."""
    with pytest.raises(StartUnusable) as caught:
        read_checkpoint(folder)
    told = str(caught.value)
    assert told.endswith(".") and "\n" not in told
    return told


def same(found: Path, expected: Path, tolerance: float = 0.0) -> None:
    ours, theirs = read_checkpoint(found).weights, read_checkpoint(expected).weights
    assert ours.keys() == theirs.keys()
    for name, values in ours.items():
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, theirs[name], rtol=tolerance, err_msg=name)


@pytest.mark.parametrize(("family", "epsilon"), [("bert", 1e-3), ("distilbert", 1e-12)])
def test_shape_and_tokenizer_are_the_checkpoints_own(family: str, epsilon: float) -> None:
    found = read_checkpoint(FIXTURES / f"{family}-tiny")
    assert found.family == family
    assert found.shape == ModelConfig(
        vocabulary=40,
        max_tokens=32,
        layers=2,
        heads=4,
        width=16,
        intermediate=24,
        dropout=0.1,
        layer_norm_epsilon=epsilon,
    )
    lowercase = family == "bert"
    encoded = found.tokenizer.encode("bolu BOLU " * 10)
    # The file itself says to cut and pad at six.
    assert len(encoded.ids) == 22
    assert ("[UNK]" not in encoded.tokens) == lowercase


def test_the_first_token_type_is_a_part_of_every_position() -> None:
    stored = load_file(FIXTURES / "bert-tiny" / "model.safetensors")
    positions = stored["bert.embeddings.position_embeddings.weight"]
    types = stored["bert.embeddings.token_type_embeddings.weight"]
    found = read_checkpoint(FIXTURES / "bert-tiny").weights["embeddings/position/embeddings"]
    np.testing.assert_array_equal(found, positions + types[0])


def test_a_prefix_makes_no_difference(checkpoint: Path) -> None:
    name = checkpoint.name

    def turn(tensors: Tensors) -> Tensors:
        bare = {key.removeprefix(f"{name}."): value for key, value in tensors.items()}
        return bare if bare.keys() != tensors.keys() else {f"{name}.{k}": bare[k] for k in bare}

    change_tensors(checkpoint, turn)
    same(checkpoint, FIXTURES / f"{name}-tiny")


def test_older_names_of_layer_norm_are_known(bert: Path) -> None:
    def rename(tensors: Tensors) -> Tensors:
        older = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
        for new, old in older.items():
            tensors = {name.replace(new, old): value for name, value in tensors.items()}
        assert "bert.embeddings.LayerNorm.gamma" in tensors
        return tensors

    change_tensors(bert, rename)
    same(bert, FIXTURES / "bert-tiny")


def test_buffers_and_heads_are_left_out(checkpoint: Path) -> None:
    extra = {
        f"{checkpoint.name}.embeddings.position_ids": np.arange(32)[None],
        "classifier.weight": np.ones((2, 16), np.float32),
    }
    change_tensors(checkpoint, lambda tensors: tensors | extra)
    same(checkpoint, FIXTURES / f"{checkpoint.name}-tiny")


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_half_precision_becomes_float32(bert: Path, dtype: Any) -> None:
    change_tensors(bert, lambda tensors: {k: v.astype(dtype) for k, v in tensors.items()})
    assert load_file(bert / "model.safetensors")["bert.pooler.dense.bias"].dtype == dtype
    # The folded positions are a sum of two, which may cancel.
    ours, theirs = read_checkpoint(bert), read_checkpoint(FIXTURES / "bert-tiny")
    for name, values in ours.weights.items():
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, theirs.weights[name], rtol=0.01, atol=0.01)


def sharded(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    places = {}
    for number, names in enumerate((sorted(tensors)[::2], sorted(tensors)[1::2]), start=1):
        shard = f"model-0000{number}-of-00002.safetensors"
        save_file({name: tensors[name] for name in names}, folder / shard)
        places |= dict.fromkeys(names, shard)
    index = {"metadata": {}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def test_shards_are_read_as_one(checkpoint: Path) -> None:
    sharded(checkpoint)
    same(checkpoint, FIXTURES / f"{checkpoint.name}-tiny")


def test_a_shard_that_is_not_there_is_named(bert: Path) -> None:
    sharded(bert)
    (bert / "model-00002-of-00002.safetensors").unlink()
    assert "lacks model-00002-of-00002.safetensors" in refused(bert)


def test_a_shard_elsewhere_is_not_read(bert: Path) -> None:
    shutil.move(bert / "model.safetensors", bert.parent / "outside.safetensors")
    index = {"weight_map": {"x": "../outside.safetensors"}}
    (bert / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "../outside.safetensors" in refused(bert)


def test_unknown_missing_and_misshapen_tensors_are_named(bert: Path) -> None:
    def change(tensors: Tensors) -> Tensors:
        del tensors["bert.encoder.layer.1.output.dense.bias"]
        tensors["bert.encoder.layer.2.output.dense.bias"] = np.zeros(16, np.float32)
        tensors["bert.embeddings.LayerNorm.bias"] = np.zeros(15, np.float32)
        tensors["bert.encoder.layer.0.intermediate.dense.bias"] = np.zeros(24, np.int8)
        return tensors

    change_tensors(bert, change)
    told = refused(bert)
    assert "lacks encoder.layer.1.output.dense.bias" in told
    assert "has unknown encoder.layer.2.output.dense.bias" in told
    assert "embeddings.LayerNorm.bias (15,) instead of (16,)" in told
    assert "encoder.layer.0.intermediate.dense.bias (int8)" in told


def test_another_shape_than_the_config_says_is_refused(checkpoint: Path) -> None:
    key = "num_hidden_layers" if checkpoint.name == "bert" else "n_layers"
    config(checkpoint, **{key: 1})
    assert "has unknown" in refused(checkpoint) and "layer.1." in refused(checkpoint)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "roberta"}, "model_type 'roberta'"),
        ({"hidden_act": "gelu_new"}, "hidden_act 'gelu_new'"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type 'relative_key'"),
        ({"is_decoder": True}, "is_decoder True"),
        ({"hidden_size": "16"}, "no usable hidden_size in its config.json, but '16'"),
        ({"num_attention_heads": 0}, "no usable num_attention_heads"),
        ({"num_attention_heads": 3}, "3 heads cannot share evenly"),
        ({"layer_norm_eps": "small"}, "no usable layer_norm_eps"),
        ({"hidden_dropout_prob": 1.5}, "no usable hidden_dropout_prob"),
    ],
)
def test_what_the_backbone_does_not_compute_is_refused(
    bert: Path, change: dict[str, Any], said: str
) -> None:
    config(bert, **change)
    assert said in refused(bert)


def test_distilberts_activation_has_another_key(tmp_path: Path) -> None:
    folder = copied("distilbert", tmp_path)
    config(folder, activation="relu")
    assert "activation 'relu'" in refused(folder)


@pytest.mark.parametrize("absent", ["config.json", "tokenizer.json", "model.safetensors"])
def test_an_absent_file_is_named(checkpoint: Path, absent: str) -> None:
    (checkpoint / absent).unlink()
    assert absent in refused(checkpoint)


@pytest.mark.parametrize("damaged", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_damaged_file_is_named(checkpoint: Path, damaged: str) -> None:
    (checkpoint / damaged).write_bytes(b'{"half":')
    assert damaged in refused(checkpoint)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "nowhere" in refused(tmp_path / "nowhere")


def renamed(token: str, to: str) -> Callable[[Any], Any]:
    return lambda found: json.loads(json.dumps(found).replace(json.dumps(token), json.dumps(to)))


def test_a_tokenizer_without_the_special_tokens_is_refused(bert: Path) -> None:
    change_json(bert / "tokenizer.json", renamed("[MASK]", "<mask>"))
    assert "has no [MASK]" in refused(bert)


def test_padding_must_be_0(bert: Path) -> None:
    def swap(found: Any) -> Any:
        vocabulary = found["model"]["vocab"]
        vocabulary["[PAD]"], vocabulary["bolu"] = vocabulary["bolu"], vocabulary["[PAD]"]
        return found | {"added_tokens": []}

    change_json(bert / "tokenizer.json", swap)
    assert "gives [PAD] the id 5" in refused(bert)


def test_a_tokenizer_that_outgrows_the_weights_is_refused(bert: Path) -> None:
    def grow(found: Any) -> Any:
        found["model"]["vocab"]["zuppel"] = 40
        return found

    change_json(bert / "tokenizer.json", grow)
    assert "ids up to 40" in refused(bert)


def test_a_name_is_read_through_the_hub(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def snapshot_download(name: str, **options: Any) -> str:
        asked.update(options, name=name)
        return str(bert)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert read_checkpoint("hf:someone/bert-tiny@v2").source == "hf:someone/bert-tiny@bert"
    assert (asked["name"], asked["revision"]) == ("someone/bert-tiny", "v2")
    assert not any("bin" in pattern for pattern in asked["allow_patterns"])


@pytest.mark.parametrize("name", ["someone/none-such", "no name/at/all"])
def test_a_hub_out_of_reach_is_one_sentence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(StartUnusable, match=r"check the name and the network") as caught:
        read_checkpoint(f"hf:{name}")
    assert name in str(caught.value) and "\n" not in str(caught.value)
