"""Where a run's weights, shape and tokenizer come from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
import tokenizers
from numpy.typing import NDArray

from scoring import artifact as files
from scoring.artifact import Artifact
from scoring.registry import resolve
from scoring.version import ModelRef
from training.errors import StartUnusable
from training.huggingface import load_backbone, read_checkpoint
from training.model import Classifier
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
    return Start(
        name=checkpoint.source,
        fingerprint=_digest(checkpoint.weights),
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

    def load(model: Classifier) -> None:
        tf.train.Checkpoint(model=model).restore(str(saved)).assert_existing_objects_matched()

    return Start(
        name=artifact.name,
        fingerprint=artifact.manifest.sha256,
        load=load,
        shape=ModelConfig(**architecture),
        tokenizer=tokenizers.Tokenizer.from_file(str(artifact.folder / files.TOKENIZER)),
        parent=artifact.ref,
    )


def _digest(weights: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode() + weights[name].tobytes())
    return digest.hexdigest()
