"""How BERT and DistilBERT checkpoints name what our backbone has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.presets import ModelConfig

TOKEN = "embeddings/token/embeddings"
POSITION = "embeddings/position/embeddings"
TOKEN_TYPES = "embeddings.token_type_embeddings.weight"
# What DistilBERT computes with; its config.json has no key for another.
EPSILON = 1e-12

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Family:
    """How one architecture names what our backbone has.

    `keys` are ModelConfig's fields in its config.json, `modules` the parts of a block, ours first,
    `ignored` the prefixes of heads and buffers the backbone has no use for.
    """

    name: str
    keys: Mapping[str, str]
    activation: str
    blocks: str
    modules: Mapping[str, str]
    ignored: tuple[str, ...]


BERT = Family(
    name="bert",
    keys={
        "vocabulary": "vocab_size",
        "max_tokens": "max_position_embeddings",
        "layers": "num_hidden_layers",
        "heads": "num_attention_heads",
        "width": "hidden_size",
        "intermediate": "intermediate_size",
        "dropout": "hidden_dropout_prob",
        "layer_norm_epsilon": "layer_norm_eps",
    },
    activation="hidden_act",
    blocks="encoder.layer",
    modules={
        "attention/query": "attention.self.query",
        "attention/key": "attention.self.key",
        "attention/value": "attention.self.value",
        "attention/output": "attention.output.dense",
        "attention_norm": "attention.output.LayerNorm",
        "expand": "intermediate.dense",
        "contract": "output.dense",
        "output_norm": "output.LayerNorm",
    },
    ignored=("pooler.", "cls.", "classifier.", "qa_outputs.", "embeddings.position_ids"),
)

DISTILBERT = Family(
    name="distilbert",
    keys={
        "vocabulary": "vocab_size",
        "max_tokens": "max_position_embeddings",
        "layers": "n_layers",
        "heads": "n_heads",
        "width": "dim",
        "intermediate": "hidden_dim",
        "dropout": "dropout",
    },
    activation="activation",
    blocks="transformer.layer",
    modules={
        "attention/query": "attention.q_lin",
        "attention/key": "attention.k_lin",
        "attention/value": "attention.v_lin",
        "attention/output": "attention.out_lin",
        "attention_norm": "sa_layer_norm",
        "expand": "ffn.lin1",
        "contract": "ffn.lin2",
        "output_norm": "output_layer_norm",
    },
    ignored=(
        "vocab_transform.",
        "vocab_layer_norm.",
        "vocab_projector.",
        "pre_classifier.",
        "classifier.",
        "qa_outputs.",
        "embeddings.position_ids",
    ),
)

FAMILIES = {family.name: family for family in (BERT, DISTILBERT)}


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a variable of ours lies in a checkpoint. `turned`: PyTorch keeps [out, in]."""

    name: str
    shape: tuple[int, ...]
    turned: bool = False

    def turn(self, values: Array) -> Array:
        return values.T if self.turned else values


def layout(family: Family, shape: ModelConfig) -> dict[str, Slot]:
    """Every variable of our backbone, and where the family keeps it."""
    width, theirs = shape.width, "embeddings"
    slots = {
        TOKEN: Slot(f"{theirs}.word_embeddings.weight", (shape.vocabulary, width)),
        POSITION: Slot(f"{theirs}.position_embeddings.weight", (shape.max_tokens, width)),
        **_norm("embeddings/norm", f"{theirs}.LayerNorm", width),
    }
    for n in range(shape.layers):
        for part, module in family.modules.items():
            ours, theirs = f"block_{n}/{part}", f"{family.blocks}.{n}.{module}"
            if part.endswith("norm"):
                slots |= _norm(ours, theirs, width)
            else:
                out = shape.intermediate if part == "expand" else width
                into = shape.intermediate if part == "contract" else width
                slots[f"{ours}/kernel"] = Slot(f"{theirs}.weight", (out, into), turned=True)
                slots[f"{ours}/bias"] = Slot(f"{theirs}.bias", (out,))
    return slots


def _norm(ours: str, theirs: str, width: int) -> dict[str, Slot]:
    return {
        f"{ours}/gamma": Slot(f"{theirs}.weight", (width,)),
        f"{ours}/beta": Slot(f"{theirs}.bias", (width,)),
    }
