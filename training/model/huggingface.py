"""Hugging Face folders of BERT and DistilBERT, read into our backbone exactly, and written from it.

What a folder holds that we do not know, or lacks, is an error that names it: nothing is left at its
random start, nothing is dropped but the known heads, which are for other tasks than ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Imported for its effect: NumPy then knows bfloat16, which safetensors asks it for.
import ml_dtypes  # noqa: F401
import numpy as np
import safetensors
import tokenizers
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from scoring.input.tokenizer import PAD, SPECIALS
from training.errors import StartUnusable, TrainingError
from training.model.checkpoint_families import (
    BERT,
    DISTILBERT,
    EPSILON,
    FAMILIES,
    POSITION,
    TOKEN_TYPES,
    Array,
    Family,
    layout,
)
from training.presets import ModelConfig

HUB = "hf:"
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
TOKENIZER = "tokenizer.json"
HUB_FILES = (CONFIG, WEIGHTS, INDEX, "model-*.safetensors", TOKENIZER)

FLOATS = ("bfloat16", "float16", "float32", "float64")
NAMED_AT_MOST = 10


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """Pretrained weights, float32, under our variables' names within the backbone.

    `shape` is theirs, with our default head; `source` is what to name to read them again.
    """

    source: str
    family: str
    shape: ModelConfig
    tokenizer: tokenizers.Tokenizer
    weights: Mapping[str, Array]


def read_checkpoint(source: str | Path) -> Checkpoint:
    """Read a folder, or "hf:NAME" (also "hf:NAME@REVISION") from the Hugging Face hub.

    Raises StartUnusable, with one sentence, for whatever would not be loaded exactly.
    """
    name, folder = str(source), Path(source)
    if name.startswith(HUB):
        name, folder = _from_hub(name.removeprefix(HUB))
    settings = _settings(folder)
    family = _family(settings, name)
    shape = _shape(settings, family, name)
    tokenizer = _tokenizer(folder / TOKENIZER, shape)
    tensors = _tensors(folder, family)
    _check(tensors, _expected(settings, family, shape), name)
    return Checkpoint(name, family.name, shape, tokenizer, _weights(tensors, family, shape))


def load_backbone(backbone: Any, checkpoint: Checkpoint) -> None:
    """Assign every variable of a training.model.architecture.Backbone; raises unless all of them fit."""
    variables = _variables(backbone)
    weights = checkpoint.weights
    unlike = sorted(variables.keys() ^ weights.keys()) or [
        name for name, values in weights.items() if tuple(variables[name].shape) != values.shape
    ]
    if unlike:
        raise StartUnusable(
            f"The model is not of the shape of {checkpoint.source}; it differs in {_some(unlike)}."
        )
    for name, variable in variables.items():
        variable.assign(weights[name])


def save_backbone(
    folder: Path, backbone: Any, shape: ModelConfig, tokenizer: tokenizers.Tokenizer
) -> None:
    """Write a folder that `read_checkpoint` and `transformers` read alike.

    It is a DistilBERT; or, when LayerNorm's epsilon is another than DistilBERT's, a BERT whose
    token types are zero. config.json comes last: without it the folder is no checkpoint.
    """
    family = DISTILBERT if shape.layer_norm_epsilon == EPSILON else BERT
    values = {name: variable.numpy() for name, variable in _variables(backbone).items()}
    tensors = {
        slot.name: np.ascontiguousarray(slot.turn(values[ours]))
        for ours, slot in layout(family, shape).items()
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


def _from_hub(wanted: str) -> tuple[str, Path]:
    import huggingface_hub

    name, _, revision = wanted.partition("@")
    try:
        folder = Path(
            huggingface_hub.snapshot_download(
                name, revision=revision or None, allow_patterns=list(HUB_FILES)
            )
        )
    # Its errors share no base: a bad name, a proxy, a revision and a download each have their own.
    except Exception as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".:")
        raise StartUnusable(
            f"{HUB}{wanted} could not be had from the Hugging Face hub ({reason}); check the name "
            "and the network, or give the folder of a downloaded checkpoint."
        ) from error
    # A snapshot's folder is named after its commit.
    return f"{HUB}{name}@{folder.name}", folder


def _settings(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise StartUnusable(f"There is no folder {folder} to start from.")
    for needed in (CONFIG, TOKENIZER):
        if not (folder / needed).is_file():
            raise StartUnusable(f"{folder} is no checkpoint to start from: no {needed} in it.")
    return _json(folder / CONFIG)


def _family(settings: Mapping[str, Any], source: str) -> Family:
    family = FAMILIES.get(str(settings.get("model_type")))
    if family is None:
        raise StartUnusable(
            f"{source} is of model_type {settings.get('model_type')!r}; a start can be made from "
            f"{' and '.join(FAMILIES)} only."
        )
    for key, ours in (
        (family.activation, "gelu"),
        ("position_embedding_type", "absolute"),
        ("is_decoder", False),
        ("add_cross_attention", False),
    ):
        if settings.get(key, ours) != ours:
            raise StartUnusable(
                f"{source} has {key} {settings[key]!r} in its {CONFIG}, and the backbone computes "
                f"{ours!r} only."
            )
    return family


def _shape(settings: Mapping[str, Any], family: Family, source: str) -> ModelConfig:
    fields: dict[str, Any] = {"layer_norm_epsilon": EPSILON}
    for field, key in family.keys.items():
        value = settings.get(key, fields.get(field))
        if not _usable(field, value):
            raise StartUnusable(f"{source} has no usable {key} in its {CONFIG}, but {value!r}.")
        fields[field] = value
    shape = ModelConfig(**fields)
    if shape.width % shape.heads:
        raise StartUnusable(
            f"{source} has a width of {shape.width}, which {shape.heads} heads cannot share evenly."
        )
    return shape


def _usable(field: str, value: Any) -> bool:
    if field in ("dropout", "layer_norm_epsilon"):
        return type(value) in (int, float) and 0 <= value < 1
    return type(value) is int and value > 0


def _tokenizer(path: Path, shape: ModelConfig) -> tokenizers.Tokenizer:
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
    # The library raises Exception itself for a file it cannot read.
    except Exception as error:
        raise StartUnusable(f"{path} is no tokenizer: {error}.") from error
    absent = [token for token in SPECIALS if tokenizer.token_to_id(token) is None]
    if absent:
        raise StartUnusable(f"The tokenizer {path} has no {', '.join(absent)}.")
    if tokenizer.token_to_id(PAD) != 0:
        raise StartUnusable(
            f"The tokenizer {path} gives {PAD} the id {tokenizer.token_to_id(PAD)}, and the "
            "backbone takes 0 for padding."
        )
    highest = max(tokenizer.get_vocab().values())
    if highest >= shape.vocabulary:
        raise StartUnusable(
            f"The tokenizer {path} has ids up to {highest}, and the weights are for "
            f"{shape.vocabulary} of them."
        )
    # Either would cut or pad silently.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _tensors(folder: Path, family: Family) -> dict[str, NDArray[Any]]:
    """Every tensor but the ignored ones, under its name without the family's prefix."""
    found = {}
    for path in _weight_files(folder):
        try:
            tensors = load_file(path)
        except (OSError, safetensors.SafetensorError) as error:
            raise StartUnusable(f"{path} cannot be read: {error}.") from error
        for name, values in tensors.items():
            found[_plain(name, family)] = values
    return {name: values for name, values in found.items() if not name.startswith(family.ignored)}


def _plain(name: str, family: Family) -> str:
    """The name as `transformers` writes it today; older files call LayerNorm's two otherwise."""
    name = name.removeprefix(f"{family.name}.")
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace(
        "LayerNorm.beta", "LayerNorm.bias"
    )


def _weight_files(folder: Path) -> list[Path]:
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if not (folder / INDEX).is_file():
        raise StartUnusable(
            f"{folder} has no {WEIGHTS}; where its weights are in another format, save them as "
            "safetensors with transformers' save_pretrained first."
        )
    places = _json(folder / INDEX).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise StartUnusable(f"{folder / INDEX} has no weight_map.")
    shards = sorted({str(place) for place in places.values()})
    absent = [name for name in shards if Path(name).name != name or not (folder / name).is_file()]
    if absent:
        raise StartUnusable(f"{folder} lacks {_some(absent)}, which its {INDEX} names.")
    return [folder / name for name in shards]


def _expected(
    settings: Mapping[str, Any], family: Family, shape: ModelConfig
) -> dict[str, tuple[int, ...]]:
    expected = {slot.name: slot.shape for slot in layout(family, shape).values()}
    if family is BERT:
        expected[TOKEN_TYPES] = (settings.get("type_vocab_size", 2), shape.width)
    return expected


def _check(
    tensors: Mapping[str, NDArray[Any]], expected: Mapping[str, tuple[int, ...]], source: str
) -> None:
    both = sorted(tensors.keys() & expected.keys())
    faults = {
        "lacks": sorted(expected.keys() - tensors.keys()),
        "has unknown": sorted(tensors.keys() - expected.keys()),
        "has of the wrong shape": [
            f"{name} {tensors[name].shape} instead of {expected[name]}"
            for name in both
            if tensors[name].shape != expected[name]
        ],
        "has not as floating point": [
            f"{name} ({tensors[name].dtype})" for name in both if tensors[name].dtype not in FLOATS
        ],
    }
    told = [f"{fault} {_some(names)}" for fault, names in faults.items() if names]
    if told:
        raise StartUnusable(f"{source} cannot be loaded exactly: it {', and '.join(told)}.")


def _weights(
    tensors: Mapping[str, NDArray[Any]], family: Family, shape: ModelConfig
) -> dict[str, Array]:
    exact = {name: values.astype(np.float32, copy=False) for name, values in tensors.items()}
    weights = {ours: slot.turn(exact[slot.name]) for ours, slot in layout(family, shape).items()}
    if family is BERT:
        # One text has token type 0 throughout, so its row is a part of every position's.
        weights[POSITION] = weights[POSITION] + exact[TOKEN_TYPES][0]
    return weights


def _variables(backbone: Any) -> dict[str, Any]:
    """The backbone's variables by their names within it, made first where they are not yet."""
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


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StartUnusable(f"{path} cannot be read: {error}.") from error
    if not isinstance(found, dict):
        raise StartUnusable(f"{path} holds no JSON object.")
    return found


def _some(names: Iterable[str]) -> str:
    every = list(names)
    shown = ", ".join(every[:NAMED_AT_MOST])
    return (
        shown if len(every) <= NAMED_AT_MOST else f"{shown} and {len(every) - NAMED_AT_MOST} more"
    )
