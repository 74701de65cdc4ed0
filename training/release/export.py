"""The trained model as a TensorFlow SavedModel in float32: one text, its exact length."""

from __future__ import annotations

from pathlib import Path

import keras
import tensorflow as tf

from training.model.architecture import Classifier, build
from training.presets import ModelConfig


class Serving(tf.Module):  # type: ignore[misc]
    """`serve` takes int32 [1, n] ids without padding and returns the logit, float32 [1, 1]."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model = model

    @tf.function(input_signature=[tf.TensorSpec([1, None], tf.int32, name="token_ids")])  # type: ignore[untyped-decorator]
    def serve(self, token_ids: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"logit": self.model(token_ids, masked=False, training=False)}


def export(model: Classifier, config: ModelConfig, folder: Path) -> None:
    """Write the weights, computing in float32, whatever the model was trained in.

    A model of its own holds them: the trained one carries its optimizer, twice the weights' size.
    """
    keras.mixed_precision.set_global_policy("float32")
    exact = build(config)
    exact.set_weights(model.get_weights())
    serving = Serving(exact)
    tf.saved_model.save(serving, str(folder), signatures={"serving_default": serving.serve})
