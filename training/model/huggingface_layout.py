"""Where BERT and DistilBERT checkpoints store the variables of the backbone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.presets import ModelConfig

TOKEN = "embeddings/token/embeddings"
POSITION = "embeddings/position/embeddings"
TOKEN_TYPES = "embeddings.token_type_embeddings.weight"
# DistilBERT's LayerNorm epsilon is fixed; its config.json has no key for it.
DISTILBERT_EPSILON = 1e-12

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Family:
    """The names one architecture uses in its checkpoints.

    `keys` maps ModelConfig's fields to keys of config.json, `modules` maps the backbone's parts of
    a block to the checkpoint's. `ignored` holds name prefixes of unused heads and buffers.
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
class CheckpointTensor:
    """A tensor of a checkpoint. PyTorch stores kernels as [out, in], so these are `transposed`."""

    name: str
    shape: tuple[int, ...]
    transposed: bool = False

    def convert(self, values: Array) -> Array:
        """Convert between the orientations of the checkpoint and of the backbone."""
        return values.T if self.transposed else values


def checkpoint_tensors(family: Family, shape: ModelConfig) -> dict[str, CheckpointTensor]:
    """Map every variable of the backbone to the tensor that holds it."""
    width = shape.width
    tensors = {
        TOKEN: CheckpointTensor("embeddings.word_embeddings.weight", (shape.vocabulary, width)),
        POSITION: CheckpointTensor(
            "embeddings.position_embeddings.weight", (shape.max_tokens, width)
        ),
        **_layer_norm("embeddings/norm", "embeddings.LayerNorm", width),
    }
    for n in range(shape.layers):
        for part, module in family.modules.items():
            variable, tensor = f"block_{n}/{part}", f"{family.blocks}.{n}.{module}"
            if part.endswith("norm"):
                tensors |= _layer_norm(variable, tensor, width)
            else:
                rows = shape.intermediate if part == "expand" else width
                columns = shape.intermediate if part == "contract" else width
                tensors[f"{variable}/kernel"] = CheckpointTensor(
                    f"{tensor}.weight", (rows, columns), transposed=True
                )
                tensors[f"{variable}/bias"] = CheckpointTensor(f"{tensor}.bias", (rows,))
    return tensors


def _layer_norm(variable: str, tensor: str, width: int) -> dict[str, CheckpointTensor]:
    return {
        f"{variable}/gamma": CheckpointTensor(f"{tensor}.weight", (width,)),
        f"{variable}/beta": CheckpointTensor(f"{tensor}.bias", (width,)),
    }
