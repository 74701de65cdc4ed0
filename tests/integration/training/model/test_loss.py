from typing import Any

import numpy as np
import pytest

from training.presets import SPEC

pytestmark = pytest.mark.slow


def test_smoothed_loss_matches_the_formula(tf_modules: Any) -> None:
    """Smoothing moves the targets to 0.05 and 0.95."""
    logits = np.array([[2.0], [-1.0]], dtype="float32")
    labels = np.array([[1.0], [0.0]], dtype="float32")
    total, terms = tf_modules.loss.smoothed_cross_entropy(SPEC.label_smoothing)(
        lambda ids, training: logits, None, labels, None, True
    )
    probability = 1.0 / (1.0 + np.exp(-logits[:, 0]))
    target = np.array([0.95, 0.05])
    expected = -np.sum(target * np.log(probability) + (1 - target) * np.log(1 - probability))
    assert float(terms) == 2.0
    assert float(total) == pytest.approx(float(expected), rel=1e-5)
