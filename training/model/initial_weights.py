"""Where a run's weights, shape and tokenizer come from."""

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
from training.errors import StartUnusable
from training.model.architecture import Classifier
from training.model.huggingface import HUB, load_backbone, read_checkpoint
from training.presets import ModelConfig, TrainingConfig, fine_tuning

SAVED_MODEL = "saved_model"


@dataclass(frozen=True, slots=True)
class Start:
    """`shape` and `tokenizer` are None where the preset decides; `load` fills a fresh model."""

    name: str
    fingerprint: str
    load: Callable[[Classifier], None]
    shape: ModelConfig | None = None
    tokenizer: tokenizers.Tokenizer | None = None
    parent: ModelRef | None = None

    def settings(self, config: TrainingConfig) -> TrainingConfig:
        """`config`, changed to what weights like these want."""
        return config if self.shape is None else fine_tuning(config, self.shape)


def fresh() -> Start:
    """Random weights, and a vocabulary learned from the training split."""
    return Start("random weights", "random", lambda model: None)


def pretrained(source: str) -> Start:
    """A Hugging Face BERT or DistilBERT checkpoint: a folder, or "hf:NAME"."""
    checkpoint = read_checkpoint(source)
    digest = _digest(checkpoint.weights)
    # The card travels with the version, and a path says nothing on another machine.
    known = checkpoint.source if source.startswith(HUB) else Path(checkpoint.source).resolve().name
    return Start(
        name=f"{known} (weights {digest[:12]})",
        fingerprint=digest,
        load=lambda model: load_backbone(model.backbone, checkpoint),
        shape=checkpoint.shape,
        tokenizer=checkpoint.tokenizer,
    )


def version(models_dir: Path, wanted: str) -> Start:
    """An earlier version, head and all; raises StartUnusable where it has no SavedModel."""
    artifact = Artifact.load(resolve(models_dir, wanted))
    saved = artifact.folder / SAVED_MODEL / "variables" / "variables"
    if not saved.with_suffix(".index").is_file():
        raise StartUnusable(
            f"{artifact.name} has no saved_model folder, which holds the float32 weights; copy it "
            "from the machine that trained it."
        )
    architecture = dict(artifact.config.architecture)
    architecture["head_widths"] = tuple(architecture["head_widths"])

    return Start(
        name=artifact.name,
        fingerprint=artifact.manifest.sha256,
        load=lambda model: load_weights(model, saved),
        shape=ModelConfig(**architecture),
        tokenizer=tokenizers.Tokenizer.from_file(str(artifact.folder / files.TOKENIZER)),
        parent=artifact.ref,
    )


def _digest(weights: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode() + weights[name].tobytes())
    return digest.hexdigest()


def load_weights(model: Classifier, saved: Path) -> None:
    """Assign every weight from a SavedModel's variables; raise StartUnusable where they differ."""
    reader = tf.train.load_checkpoint(str(saved))
    # As in "model/backbone/blocks/0/expand/_kernel/.ATTRIBUTES/VARIABLE_VALUE".
    keys = [key for key in reader.get_variable_to_shape_map() if key.startswith("model/")]
    if len(keys) != len(model.weights):
        raise StartUnusable(
            f"{saved.parent.parent} holds {len(keys)} weights and the model has "
            f"{len(model.weights)}; it was made by another release."
        )
    for key in keys:
        variable = _attribute(model, key.split("/.ATTRIBUTES")[0].split("/")[1:])
        variable.assign(reader.get_tensor(key))


def _attribute(found: Any, path: Sequence[str]) -> Any:
    for part in path:
        found = found[int(part)] if part.isdigit() else getattr(found, part)
    return found
