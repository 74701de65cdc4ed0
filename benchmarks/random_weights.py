"""A classifier with random weights whose logit depends on the text, unlike that of Keras's own."""

from __future__ import annotations

from typing import Any

import numpy as np

from training.model.architecture import build_classifier
from training.presets import ModelConfig

SEED = 7


def random_classifier(config: ModelConfig) -> Any:
    model, random = build_classifier(config), np.random.default_rng(SEED)
    for weight in model.weights:
        if weight.path.endswith("/kernel"):
            deviation = weight.shape[0] ** -0.5
        else:
            deviation = 0.02 if weight.path.endswith("/embeddings") else 0.05
        values = random.normal(float(weight.path.endswith("/gamma")), deviation, weight.shape)
        weight.assign(values.astype(np.float32))
    return model
