"""The exported SavedModel: its signature, its precision and its size."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.presets import TINY

pytestmark = pytest.mark.slow


def test_signature_maps_one_text_of_any_length_to_a_float32_logit(
    tf_modules: Any, saved_model: tuple[Any, Path]
) -> None:
    tf = tf_modules.tf
    loaded = tf.saved_model.load(str(saved_model[1]))
    serve = loaded.signatures["serving_default"]
    assert list(loaded.signatures) == ["serving_default"]
    (token_ids,) = serve.structured_input_signature[1].values()
    assert (token_ids.shape.as_list(), token_ids.dtype) == ([1, None], tf.int32)
    for length in (2, 7):
        logit = serve(token_ids=tf.ones([1, length], tf.int32))["logit"]
        assert (logit.shape.as_list(), logit.dtype) == ([1, 1], tf.float32)


@pytest.mark.usefixtures("bfloat16")
def test_model_trained_in_bfloat16_is_exported_in_float32(
    tf_modules: Any, saved_model: tuple[Any, Path], tmp_path: Path
) -> None:
    exact, _ = saved_model
    trained = tf_modules.architecture.build_classifier(TINY.model)
    trained.set_weights(exact.get_weights())
    assert trained.head[0].compute_dtype == "bfloat16"
    tf_modules.export.export_saved_model(trained, TINY.model, tmp_path)
    ids = np.array([[2, 9, 17, 3]], np.int32)
    loaded = tf_modules.tf.saved_model.load(str(tmp_path))
    logit, expected = loaded.serve(ids)["logit"], exact(ids, masked=False)
    np.testing.assert_allclose(logit, expected, rtol=0, atol=1e-5)
    # In bfloat16 the difference is larger.
    rounded = np.asarray(trained(ids, masked=False))
    assert np.abs(rounded - np.asarray(expected)).max() > 1e-4


def test_optimizer_state_is_not_exported(
    tf_modules: Any, saved_model: tuple[Any, Path], tmp_path: Path
) -> None:
    model, folder = saved_model
    trained = tf_modules.architecture.build_classifier(TINY.model)
    trained.compile(optimizer="adam")
    trained.optimizer.build(trained.trainable_variables)
    tf_modules.export.export_saved_model(trained, TINY.model, tmp_path)
    sizes = [
        (path / "variables" / "variables.data-00000-of-00001").stat().st_size
        for path in (folder, tmp_path)
    ]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.01)
    assert sizes[1] < 4 * model.count_params() * 1.5
