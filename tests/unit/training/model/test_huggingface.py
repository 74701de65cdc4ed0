"""Reading checkpoints and refusing those that cannot be loaded exactly, without TensorFlow."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import ml_dtypes
import numpy as np
import pytest
from huggingface_hub import constants
from safetensors.numpy import load_file, save_file

from tests.paths import FIXTURES
from training.errors import InitialWeightsInvalid
from training.model.huggingface import read_pretrained
from training.presets import ModelConfig

FAMILIES = ("bert", "distilbert")
Tensors = dict[str, Any]


@pytest.fixture(params=FAMILIES)
def checkpoint(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return copy_fixture(request.param, tmp_path)


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    return copy_fixture("bert", tmp_path)


def copy_fixture(family: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(FIXTURES / f"{family}-tiny", tmp_path / family))


def change_tensors(folder: Path, change: Callable[[Tensors], Tensors]) -> None:
    tensors = change(load_file(folder / "model.safetensors"))
    save_file(tensors, folder / "model.safetensors")


def change_json(path: Path, change: Callable[[Any], Any]) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def change_config(folder: Path, **values: Any) -> None:
    change_json(folder / "config.json", lambda config: config | values)


def refusal(folder: Path) -> str:
    """Return the one sentence with which the folder is refused."""
    with pytest.raises(InitialWeightsInvalid) as caught:
        read_pretrained(folder)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence
    return sentence


def assert_same_weights(folder: Path, expected: Path, tolerance: float = 0.0) -> None:
    weights, reference = read_pretrained(folder).weights, read_pretrained(expected).weights
    assert weights.keys() == reference.keys()
    for name, values in weights.items():
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, reference[name], rtol=tolerance, err_msg=name)


@pytest.mark.parametrize(("family", "epsilon"), [("bert", 1e-3), ("distilbert", 1e-12)])
def test_shape_and_tokenizer_are_those_of_the_checkpoint(family: str, epsilon: float) -> None:
    checkpoint = read_pretrained(FIXTURES / f"{family}-tiny")
    assert checkpoint.family == family
    assert checkpoint.shape == ModelConfig(
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
    encoded = checkpoint.tokenizer.encode("bolu BOLU " * 10)
    # The file itself truncates and pads at six tokens.
    assert len(encoded.ids) == 22
    assert ("[UNK]" not in encoded.tokens) == lowercase


def test_tokenizer_of_a_checkpoint_splits_long_words() -> None:
    tokenizer = read_pretrained(FIXTURES / "bert-tiny").tokenizer
    # The tiny vocabulary does not know the pieces, but each is a token of its own.
    assert len(tokenizer.encode("bolu" * 200, add_special_tokens=False).ids) == 8


def test_first_token_type_is_added_to_every_position() -> None:
    stored = load_file(FIXTURES / "bert-tiny" / "model.safetensors")
    positions = stored["bert.embeddings.position_embeddings.weight"]
    types = stored["bert.embeddings.token_type_embeddings.weight"]
    folded = read_pretrained(FIXTURES / "bert-tiny").weights["embeddings/position/embeddings"]
    np.testing.assert_array_equal(folded, positions + types[0])


def test_family_prefix_of_names_is_optional(checkpoint: Path) -> None:
    name = checkpoint.name

    def toggle_prefix(tensors: Tensors) -> Tensors:
        bare = {key.removeprefix(f"{name}."): value for key, value in tensors.items()}
        return bare if bare.keys() != tensors.keys() else {f"{name}.{k}": bare[k] for k in bare}

    change_tensors(checkpoint, toggle_prefix)
    assert_same_weights(checkpoint, FIXTURES / f"{name}-tiny")


def test_older_layer_norm_names_are_read(bert: Path) -> None:
    def rename(tensors: Tensors) -> Tensors:
        older = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
        for new, old in older.items():
            tensors = {name.replace(new, old): value for name, value in tensors.items()}
        assert "bert.embeddings.LayerNorm.gamma" in tensors
        return tensors

    change_tensors(bert, rename)
    assert_same_weights(bert, FIXTURES / "bert-tiny")


def test_buffers_and_heads_are_ignored(checkpoint: Path) -> None:
    extra = {
        f"{checkpoint.name}.embeddings.position_ids": np.arange(32)[None],
        "classifier.weight": np.ones((2, 16), np.float32),
    }
    change_tensors(checkpoint, lambda tensors: tensors | extra)
    assert_same_weights(checkpoint, FIXTURES / f"{checkpoint.name}-tiny")


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_half_precision_is_converted_to_float32(bert: Path, dtype: Any) -> None:
    change_tensors(bert, lambda tensors: {k: v.astype(dtype) for k, v in tensors.items()})
    assert load_file(bert / "model.safetensors")["bert.pooler.dense.bias"].dtype == dtype
    # Hence the absolute tolerance: positions and token types may cancel in their sum.
    weights = read_pretrained(bert).weights
    reference = read_pretrained(FIXTURES / "bert-tiny").weights
    for name, values in weights.items():
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, reference[name], rtol=0.01, atol=0.01)


def split_into_shards(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    shard_of = {}
    for number, names in enumerate((sorted(tensors)[::2], sorted(tensors)[1::2]), start=1):
        shard = f"model-0000{number}-of-00002.safetensors"
        save_file({name: tensors[name] for name in names}, folder / shard)
        shard_of |= dict.fromkeys(names, shard)
    index = {"metadata": {}, "weight_map": shard_of}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def test_sharded_checkpoint_is_read(checkpoint: Path) -> None:
    split_into_shards(checkpoint)
    assert_same_weights(checkpoint, FIXTURES / f"{checkpoint.name}-tiny")


def test_missing_shard_is_named(bert: Path) -> None:
    split_into_shards(bert)
    (bert / "model-00002-of-00002.safetensors").unlink()
    assert "lacks model-00002-of-00002.safetensors" in refusal(bert)


def test_shard_outside_the_folder_is_refused(bert: Path) -> None:
    shutil.move(bert / "model.safetensors", bert.parent / "outside.safetensors")
    index = {"weight_map": {"x": "../outside.safetensors"}}
    (bert / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "../outside.safetensors" in refusal(bert)


def test_missing_unknown_and_misshapen_tensors_are_named(bert: Path) -> None:
    def change(tensors: Tensors) -> Tensors:
        del tensors["bert.encoder.layer.1.output.dense.bias"]
        tensors["bert.encoder.layer.2.output.dense.bias"] = np.zeros(16, np.float32)
        tensors["bert.embeddings.LayerNorm.bias"] = np.zeros(15, np.float32)
        tensors["bert.encoder.layer.0.intermediate.dense.bias"] = np.zeros(24, np.int8)
        return tensors

    change_tensors(bert, change)
    sentence = refusal(bert)
    assert "missing: encoder.layer.1.output.dense.bias" in sentence
    assert "unknown: encoder.layer.2.output.dense.bias" in sentence
    assert "embeddings.LayerNorm.bias (15,) instead of (16,)" in sentence
    assert "encoder.layer.0.intermediate.dense.bias (int8)" in sentence


def test_shape_that_differs_from_the_config_is_refused(checkpoint: Path) -> None:
    key = "num_hidden_layers" if checkpoint.name == "bert" else "n_layers"
    change_config(checkpoint, **{key: 1})
    assert "unknown: " in refusal(checkpoint) and "layer.1." in refusal(checkpoint)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"model_type": "roberta"}, "model_type 'roberta'"),
        ({"hidden_act": "gelu_new"}, "hidden_act 'gelu_new'"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type 'relative_key'"),
        ({"is_decoder": True}, "is_decoder True"),
        ({"hidden_size": "16"}, "invalid hidden_size in its config.json: '16'"),
        ({"num_attention_heads": 0}, "invalid num_attention_heads"),
        ({"num_attention_heads": 3}, "not divisible by 3 heads"),
        ({"layer_norm_eps": "small"}, "invalid layer_norm_eps"),
        ({"hidden_dropout_prob": 1.5}, "invalid hidden_dropout_prob"),
    ],
)
def test_unsupported_config_is_refused(bert: Path, change: dict[str, Any], expected: str) -> None:
    change_config(bert, **change)
    assert expected in refusal(bert)


def test_unsupported_activation_of_distilbert_is_refused(tmp_path: Path) -> None:
    folder = copy_fixture("distilbert", tmp_path)
    change_config(folder, activation="relu")
    assert "activation 'relu'" in refusal(folder)


@pytest.mark.parametrize("absent", ["config.json", "tokenizer.json", "model.safetensors"])
def test_missing_file_is_named(checkpoint: Path, absent: str) -> None:
    (checkpoint / absent).unlink()
    assert absent in refusal(checkpoint)


@pytest.mark.parametrize("damaged", ["config.json", "tokenizer.json", "model.safetensors"])
def test_damaged_file_is_named(checkpoint: Path, damaged: str) -> None:
    (checkpoint / damaged).write_bytes(b'{"half":')
    assert damaged in refusal(checkpoint)


def test_missing_folder_is_named(tmp_path: Path) -> None:
    assert "nowhere" in refusal(tmp_path / "nowhere")


def rename_token(token: str, new: str) -> Callable[[Any], Any]:
    return lambda content: json.loads(
        json.dumps(content).replace(json.dumps(token), json.dumps(new))
    )


def test_tokenizer_without_the_special_tokens_is_refused(bert: Path) -> None:
    change_json(bert / "tokenizer.json", rename_token("[MASK]", "<mask>"))
    assert "has no [MASK]" in refusal(bert)


def test_padding_id_must_be_0(bert: Path) -> None:
    def swap(content: Any) -> Any:
        vocabulary = content["model"]["vocab"]
        vocabulary["[PAD]"], vocabulary["bolu"] = vocabulary["bolu"], vocabulary["[PAD]"]
        return content | {"added_tokens": []}

    change_json(bert / "tokenizer.json", swap)
    assert "gives [PAD] the id 5" in refusal(bert)


def test_tokenizer_larger_than_the_embedding_table_is_refused(bert: Path) -> None:
    def grow(content: Any) -> Any:
        content["model"]["vocab"]["zuppel"] = 40
        return content

    change_json(bert / "tokenizer.json", grow)
    assert "ids up to 40" in refusal(bert)


def test_hub_name_is_downloaded(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request: dict[str, Any] = {}

    def snapshot_download(name: str, **options: Any) -> str:
        request.update(options, name=name)
        return str(bert)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert read_pretrained("hf:someone/bert-tiny@v2").source == "hf:someone/bert-tiny@bert"
    assert (request["name"], request["revision"]) == ("someone/bert-tiny", "v2")
    assert not any("bin" in pattern for pattern in request["allow_patterns"])


@pytest.mark.parametrize("name", ["someone/none-such", "no name/at/all"])
def test_unreachable_hub_is_reported_in_one_sentence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InitialWeightsInvalid, match=r"check the name and the network") as caught:
        read_pretrained(f"hf:{name}")
    assert name in str(caught.value) and "\n" not in str(caught.value)
