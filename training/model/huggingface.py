"""Reads Hugging Face folders of BERT and DistilBERT into the backbone, and writes such folders.

Loading is exact or fails: a missing or unknown tensor is an error that names it. Only the heads of
other tasks are ignored.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Imported for its side effect: it registers bfloat16 with NumPy, which safetensors needs.
import ml_dtypes  # noqa: F401
import numpy as np
import safetensors
import tokenizers
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from plumbline_client.deadline import call_within
from scoring.input.tokenizer import PAD, SPECIALS
from training.data.long_words import split_long_words
from training.errors import InitialWeightsInvalid, TrainingError
from training.model.huggingface_layout import (
    BERT,
    DISTILBERT,
    DISTILBERT_EPSILON,
    FAMILIES,
    POSITION,
    TOKEN_TYPES,
    Array,
    Family,
    checkpoint_tensors,
)
from training.presets import ModelConfig

HUB = "hf:"
# In all. The hub's own library limits each step.
DOWNLOAD_LIMIT_S = 3_600.0
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
TOKENIZER = "tokenizer.json"
HUB_FILES = (CONFIG, WEIGHTS, INDEX, "model-*.safetensors", TOKENIZER)

FLOATS = ("bfloat16", "float16", "float32", "float64")
MAX_NAMES = 10


@dataclass(frozen=True, slots=True, eq=False)
class PretrainedCheckpoint:
    """Pretrained float32 weights, by the names of the backbone's variables.

    `shape` is the checkpoint's with the default head; `source` identifies it for a later read.
    """

    source: str
    family: str
    shape: ModelConfig
    tokenizer: tokenizers.Tokenizer
    weights: Mapping[str, Array]


def read_pretrained(source: str | Path) -> PretrainedCheckpoint:
    """Read a folder, or "hf:NAME" (also "hf:NAME@REVISION") from the Hugging Face hub.

    Raises InitialWeightsInvalid if the checkpoint cannot be loaded exactly.
    """
    name, folder = str(source), Path(source)
    if name.startswith(HUB):
        name, folder = _download(name.removeprefix(HUB))
    settings = _settings(folder)
    family = _family(settings, name)
    shape = _shape(settings, family, name)
    tokenizer = _tokenizer(folder / TOKENIZER, shape)
    tensors = _tensors(folder, family)
    _check_tensors(tensors, _expected_shapes(settings, family, shape), name)
    weights = _weights(tensors, family, shape)
    return PretrainedCheckpoint(name, family.name, shape, tokenizer, weights)


def load_backbone(backbone: Any, checkpoint: PretrainedCheckpoint) -> None:
    """Assign every variable of the backbone.

    Raises InitialWeightsInvalid, and assigns nothing, unless all names and shapes match.
    """
    variables = _variables(backbone)
    weights = checkpoint.weights
    different = sorted(variables.keys() ^ weights.keys()) or [
        name for name, values in weights.items() if tuple(variables[name].shape) != values.shape
    ]
    if different:
        raise InitialWeightsInvalid(
            f"The model does not have the shape of {checkpoint.source}; it differs in "
            f"{_some(different)}."
        )
    for name, variable in variables.items():
        variable.assign(weights[name])


def save_backbone(
    folder: Path, backbone: Any, shape: ModelConfig, tokenizer: tokenizers.Tokenizer
) -> None:
    """Write a folder that both `read_pretrained` and `transformers` read.

    The folder is a DistilBERT. If LayerNorm's epsilon differs from DistilBERT's, it is a BERT whose
    token types are zero. config.json is written last: without it the folder is not a checkpoint.
    """
    family = DISTILBERT if shape.layer_norm_epsilon == DISTILBERT_EPSILON else BERT
    values = {name: variable.numpy() for name, variable in _variables(backbone).items()}
    tensors = {
        tensor.name: np.ascontiguousarray(tensor.convert(values[variable]))
        for variable, tensor in checkpoint_tensors(family, shape).items()
    }
    if family is BERT:
        tensors[TOKEN_TYPES] = np.zeros((1, shape.width), dtype=np.float32)
    settings = json.dumps(_settings_of(family, shape), indent=2) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIG).unlink(missing_ok=True)
        # transformers refuses a file that does not name its framework.
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
        (folder / TOKENIZER).write_text(tokenizer.to_str(pretty=True), encoding="utf-8")
        (folder / CONFIG).write_text(settings, encoding="utf-8")
    except (OSError, safetensors.SafetensorError) as error:
        raise TrainingError(f"The backbone could not be saved in {folder}: {error}.") from error


def _download(reference: str) -> tuple[str, Path]:
    import huggingface_hub

    name, _, revision = reference.partition("@")
    try:
        folder = Path(
            call_within(
                DOWNLOAD_LIMIT_S,
                lambda: huggingface_hub.snapshot_download(
                    name, revision=revision or None, allow_patterns=list(HUB_FILES)
                ),
            )
        )
    # A bad name, a proxy error, a missing revision and a failed download share no base class.
    except Exception as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".:")
        raise InitialWeightsInvalid(
            f"{HUB}{reference} could not be downloaded from the Hugging Face hub ({reason}); check "
            "the name and the network, or give the folder of a downloaded checkpoint."
        ) from error
    # The hub names a snapshot's folder after its commit.
    return f"{HUB}{name}@{folder.name}", folder


def check_checkpoint(folder: Path) -> None:
    """Raise InitialWeightsInvalid unless the folder has the files of a checkpoint."""
    if not folder.is_dir():
        raise InitialWeightsInvalid(f"The folder {folder} to start from does not exist.")
    for required in (CONFIG, TOKENIZER):
        if not (folder / required).is_file():
            raise InitialWeightsInvalid(f"{folder} is not a checkpoint: it has no {required}.")


def _settings(folder: Path) -> dict[str, Any]:
    check_checkpoint(folder)
    return _read_json(folder / CONFIG)


def _family(settings: Mapping[str, Any], source: str) -> Family:
    family = FAMILIES.get(str(settings.get("model_type")))
    if family is None:
        raise InitialWeightsInvalid(
            f"{source} has model_type {settings.get('model_type')!r}; supported are "
            f"{' and '.join(FAMILIES)}."
        )
    for key, supported in (
        (family.activation, "gelu"),
        ("position_embedding_type", "absolute"),
        ("is_decoder", False),
        ("add_cross_attention", False),
    ):
        if settings.get(key, supported) != supported:
            raise InitialWeightsInvalid(
                f"{source} has {key} {settings[key]!r} in its {CONFIG}; the backbone supports only "
                f"{supported!r}."
            )
    return family


def _shape(settings: Mapping[str, Any], family: Family, source: str) -> ModelConfig:
    fields: dict[str, Any] = {"layer_norm_epsilon": DISTILBERT_EPSILON}
    for field, key in family.keys.items():
        value = settings.get(key, fields.get(field))
        if not _is_valid(field, value):
            raise InitialWeightsInvalid(
                f"{source} has an invalid {key} in its {CONFIG}: {value!r}."
            )
        fields[field] = value
    shape = ModelConfig(**fields)
    if shape.width % shape.heads:
        raise InitialWeightsInvalid(
            f"{source} has a width of {shape.width}, which is not divisible by {shape.heads} heads."
        )
    return shape


def _is_valid(field: str, value: Any) -> bool:
    if field in ("dropout", "layer_norm_epsilon"):
        return type(value) in (int, float) and 0 <= value < 1
    return type(value) is int and value > 0


def _tokenizer(path: Path, shape: ModelConfig) -> tokenizers.Tokenizer:
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
    # The library raises a plain Exception for a file it cannot read.
    except Exception as error:
        raise InitialWeightsInvalid(f"{path} is not a tokenizer: {error}.") from error
    absent = [token for token in SPECIALS if tokenizer.token_to_id(token) is None]
    if absent:
        raise InitialWeightsInvalid(f"The tokenizer {path} has no {', '.join(absent)}.")
    if tokenizer.token_to_id(PAD) != 0:
        raise InitialWeightsInvalid(
            f"The tokenizer {path} gives {PAD} the id {tokenizer.token_to_id(PAD)}; the backbone "
            "requires 0 for padding."
        )
    highest = max(tokenizer.get_vocab().values())
    if highest >= shape.vocabulary:
        raise InitialWeightsInvalid(
            f"The tokenizer {path} has ids up to {highest}, but the weights have only "
            f"{shape.vocabulary} rows."
        )
    # A published tokenizer.json may truncate or pad silently.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    split_long_words(tokenizer)
    return tokenizer


def _tensors(folder: Path, family: Family) -> dict[str, NDArray[Any]]:
    """Read every tensor that is not ignored, by its name without the family's prefix."""
    tensors = {}
    for path in _weight_files(folder):
        try:
            stored = load_file(path)
        except (OSError, safetensors.SafetensorError) as error:
            raise InitialWeightsInvalid(f"{path} cannot be read: {error}.") from error
        for name, values in stored.items():
            tensors[_current_name(name, family)] = values
    return {name: values for name, values in tensors.items() if not name.startswith(family.ignored)}


def _current_name(name: str, family: Family) -> str:
    """Return the name `transformers` uses today; older files name LayerNorm differently."""
    name = name.removeprefix(f"{family.name}.")
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace(
        "LayerNorm.beta", "LayerNorm.bias"
    )


def _weight_files(folder: Path) -> list[Path]:
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if not (folder / INDEX).is_file():
        raise InitialWeightsInvalid(
            f"{folder} has no {WEIGHTS}; if its weights are in another format, save them as "
            "safetensors with transformers' save_pretrained first."
        )
    shard_of = _read_json(folder / INDEX).get("weight_map")
    if not isinstance(shard_of, dict) or not shard_of:
        raise InitialWeightsInvalid(f"{folder / INDEX} has no weight_map.")
    shards = sorted({str(shard) for shard in shard_of.values()})
    absent = [name for name in shards if Path(name).name != name or not (folder / name).is_file()]
    if absent:
        raise InitialWeightsInvalid(f"{folder} lacks {_some(absent)}, which its {INDEX} names.")
    return [folder / name for name in shards]


def _expected_shapes(
    settings: Mapping[str, Any], family: Family, shape: ModelConfig
) -> dict[str, tuple[int, ...]]:
    expected = {tensor.name: tensor.shape for tensor in checkpoint_tensors(family, shape).values()}
    if family is BERT:
        expected[TOKEN_TYPES] = (settings.get("type_vocab_size", 2), shape.width)
    return expected


def _check_tensors(
    tensors: Mapping[str, NDArray[Any]], expected: Mapping[str, tuple[int, ...]], source: str
) -> None:
    common = sorted(tensors.keys() & expected.keys())
    problems = {
        "missing": sorted(expected.keys() - tensors.keys()),
        "unknown": sorted(tensors.keys() - expected.keys()),
        "of the wrong shape": [
            f"{name} {tensors[name].shape} instead of {expected[name]}"
            for name in common
            if tensors[name].shape != expected[name]
        ],
        "not floating point": [
            f"{name} ({tensors[name].dtype})"
            for name in common
            if tensors[name].dtype not in FLOATS
        ],
    }
    listed = [f"{problem}: {_some(names)}" for problem, names in problems.items() if names]
    if listed:
        raise InitialWeightsInvalid(
            f"{source} cannot be loaded exactly; tensors are {'; '.join(listed)}."
        )


def _weights(
    tensors: Mapping[str, NDArray[Any]], family: Family, shape: ModelConfig
) -> dict[str, Array]:
    exact = {name: values.astype(np.float32, copy=False) for name, values in tensors.items()}
    weights = {
        variable: tensor.convert(exact[tensor.name])
        for variable, tensor in checkpoint_tensors(family, shape).items()
    }
    if family is BERT:
        # A single text has token type 0 throughout, so its row can be added to every position.
        weights[POSITION] = weights[POSITION] + exact[TOKEN_TYPES][0]
    return weights


def _variables(backbone: Any) -> dict[str, Any]:
    """Return the backbone's variables by name, building the backbone first if necessary."""
    if not backbone.built:
        backbone(np.ones((1, 4), dtype=np.int32))
    return {
        variable.path.removeprefix(f"{backbone.path}/"): variable for variable in backbone.weights
    }


def _settings_of(family: Family, shape: ModelConfig) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "model_type": family.name,
        "architectures": ["DistilBertModel" if family is DISTILBERT else "BertModel"],
        family.activation: "gelu",
        "pad_token_id": 0,
        **{key: getattr(shape, field) for field, key in family.keys.items()},
    }
    if family is DISTILBERT:
        return settings | {"attention_dropout": shape.dropout, "sinusoidal_pos_embds": False}
    return settings | {
        "attention_probs_dropout_prob": shape.dropout,
        "type_vocab_size": 1,
    }


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InitialWeightsInvalid(f"{path} cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise InitialWeightsInvalid(f"{path} is not a JSON object.")
    return content


def _some(names: Iterable[str]) -> str:
    every = list(names)
    shown = ", ".join(every[:MAX_NAMES])
    return shown if len(every) <= MAX_NAMES else f"{shown} and {len(every) - MAX_NAMES} more"
