"""The weights, shape and tokenizer that a run starts from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
import tokenizers
from numpy.typing import NDArray

from scoring.artifact import artifact as files
from scoring.artifact.artifact import Artifact
from scoring.artifact.model_ref import ModelRef
from scoring.artifact.registry import resolve
from training.data.long_words import split_long_words
from training.errors import InitialWeightsInvalid
from training.model.architecture import Classifier
from training.model.checkpoint_name import checkpoint_name
from training.model.huggingface import HUB, load_backbone, read_pretrained
from training.model.int8_weights import load_int8_model
from training.presets import ModelConfig, TrainingConfig, fine_tuning_config

SAVED_MODEL = "saved_model"
FROM_INT8 = "float weights re-created from its int8 model"


@dataclass(frozen=True, slots=True)
class InitialWeights:
    """`load` assigns the weights to a new model. The preset decides a `shape` or `tokenizer` of
    None. `parent` is the version the weights come from, if they come from one.
    """

    name: str
    fingerprint: str
    load: Callable[[Classifier], None]
    shape: ModelConfig | None = None
    tokenizer: tokenizers.Tokenizer | None = None
    parent: ModelRef | None = None

    def adapt(self, config: TrainingConfig) -> TrainingConfig:
        """Return the settings for fine-tuning, or `config` if the weights are random."""
        return config if self.shape is None else fine_tuning_config(config, self.shape)


def random_weights() -> InitialWeights:
    """Random weights, and a vocabulary learned from the training split."""
    return InitialWeights("random weights", "random", lambda model: None)


def pretrained_weights(source: str) -> InitialWeights:
    """A Hugging Face BERT or DistilBERT checkpoint: a folder, or "hf:NAME"."""
    checkpoint = read_pretrained(source)
    digest = _digest(checkpoint.weights)
    # The model card is read on other machines, where a local path means nothing.
    name = checkpoint.source if source.startswith(HUB) else checkpoint_name(Path(source))
    return InitialWeights(
        name=f"{name} (weights {digest[:12]})",
        fingerprint=digest,
        load=lambda model: load_backbone(model.backbone, checkpoint),
        shape=checkpoint.shape,
        tokenizer=checkpoint.tokenizer,
    )


def version_weights(models_dir: Path, reference: str) -> InitialWeights:
    """An earlier version including its head: from its SavedModel, otherwise from its int8 model.

    Raises InitialWeightsInvalid, when the weights are loaded, if neither has them.
    """
    artifact = Artifact.load(resolve(models_dir, reference))
    saved = artifact.folder / SAVED_MODEL / "variables" / "variables"
    has_saved_model = saved.with_suffix(".index").is_file()
    architecture = dict(artifact.config.architecture)
    architecture["head_widths"] = tuple(architecture["head_widths"])

    def load(model: Classifier) -> None:
        if has_saved_model:
            load_saved_model(model, saved)
        else:
            load_int8_model(model, artifact.model_path)

    return InitialWeights(
        name=artifact.name if has_saved_model else f"{artifact.name} ({FROM_INT8})",
        # Rounded weights are other weights.
        fingerprint=artifact.manifest.sha256 + ("" if has_saved_model else "-int8"),
        load=load,
        shape=ModelConfig(**architecture),
        tokenizer=_tokenizer(artifact.folder / files.TOKENIZER),
        parent=artifact.ref,
    )


def _tokenizer(path: Path) -> tokenizers.Tokenizer:
    """Read a version's tokenizer; an old version did not split long words."""
    tokenizer = tokenizers.Tokenizer.from_file(str(path))
    split_long_words(tokenizer)
    return tokenizer


def load_saved_model(model: Classifier, saved: Path) -> None:
    """Assign every weight from a SavedModel's variables.

    Raises InitialWeightsInvalid if the numbers of weights differ.
    """
    reader = tf.train.load_checkpoint(str(saved))
    # For example "model/backbone/blocks/0/expand/_kernel/.ATTRIBUTES/VARIABLE_VALUE".
    keys = [key for key in reader.get_variable_to_shape_map() if key.startswith("model/")]
    if len(keys) != len(model.weights):
        raise InitialWeightsInvalid(
            f"{saved.parent.parent} holds {len(keys)} weights and the model has "
            f"{len(model.weights)}; it was written by another release."
        )
    for key in keys:
        variable = _attribute(model, key.split("/.ATTRIBUTES")[0].split("/")[1:])
        variable.assign(reader.get_tensor(key))


def _digest(weights: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode() + weights[name].tobytes())
    return digest.hexdigest()


def _attribute(value: Any, path: Sequence[str]) -> Any:
    for part in path:
        value = value[int(part)] if part.isdigit() else getattr(value, part)
    return value
