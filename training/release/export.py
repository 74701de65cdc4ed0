"""Exports the trained model as a float32 SavedModel that reads one text without padding."""

from __future__ import annotations

from pathlib import Path

import keras
import tensorflow as tf

from training.model.architecture import Classifier, build_classifier
from training.model.serving_graph import serving_logit
from training.presets import ModelConfig


class ServingModule(tf.Module):  # type: ignore[misc]
    """`serve` maps int32 ids [1, n] without padding to the logit, float32 [1, 1]."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model = model

    @tf.function(input_signature=[tf.TensorSpec([1, None], tf.int32, name="token_ids")])  # type: ignore[untyped-decorator]
    def serve(self, token_ids: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"logit": serving_logit(self.model, token_ids)}


def export_saved_model(model: Classifier, config: ModelConfig, folder: Path) -> None:
    """Write a SavedModel that computes in float32, whatever precision the model was trained in.

    The weights are copied to a new model, because the trained one carries its optimizer, which is
    twice their size.
    """
    keras.mixed_precision.set_global_policy("float32")
    exact = build_classifier(config)
    exact.set_weights(model.get_weights())
    serving = ServingModule(exact)
    tf.saved_model.save(serving, str(folder), signatures={"serving_default": serving.serve})
