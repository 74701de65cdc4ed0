"""The serving graph computes what the training graph computes, in float32."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.paths import FIXTURES
from training.presets import TINY

pytestmark = pytest.mark.slow


def assert_same_logits(tf_modules: Any, model: Any) -> None:
    serving = tf_modules.export.ServingModule(model)
    vocabulary = model.backbone.embeddings.token.embeddings.shape[0]
    random = np.random.default_rng(5)
    logits = []
    for length in (2, 17, 30):
        ids = random.integers(1, vocabulary, (1, length)).astype(np.int32)
        expected = np.asarray(model(ids, masked=False, training=False))
        logits.append(float(expected[0, 0]))
        np.testing.assert_allclose(serving.serve(ids)["logit"], expected, rtol=0, atol=1e-5)
    # The logits of different texts differ by much more than the tolerance.
    assert np.ptp(logits) > 1e-3


@pytest.mark.parametrize("layers", [1, 3])
def test_random_weights_give_the_same_logits(tf_modules: Any, layers: int) -> None:
    model = tf_modules.architecture.build_classifier(replace(TINY.model, layers=layers))
    random = np.random.default_rng(2)
    model.set_weights(
        [random.normal(w.path.endswith("gamma"), 0.3, w.shape) for w in model.weights]
    )
    assert_same_logits(tf_modules, model)


def test_trained_weights_give_the_same_logits(tf_modules: Any) -> None:
    weights = tf_modules.initial_weights.pretrained_weights(str(FIXTURES / "bert-tiny"))
    model = tf_modules.architecture.build_classifier(weights.shape)
    weights.load(model)
    assert_same_logits(tf_modules, model)
