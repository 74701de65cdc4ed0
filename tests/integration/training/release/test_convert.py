"""The int8 model that the converter writes agrees with its SavedModel."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scoring.runtime.litert import LiteRtRuntime
from training.release.convert import convert_to_int8

pytestmark = pytest.mark.slow


def test_converted_model_is_smaller_and_has_almost_the_same_logits(
    tf_modules: Any,
    saved_model: tuple[Any, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The converter imports Keras, which fails on this file of the user.
    (tmp_path / "keras.json").write_text('{"floatx": "int8"}')
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    model, folder = saved_model
    target = tmp_path / "model.int8.tflite"
    convert_to_int8(folder, target)
    assert target.stat().st_size < 4 * model.count_params()
    runtime = LiteRtRuntime(target)
    exact = tf_modules.saved_model_runtime.SavedModelRuntime(folder)
    texts = [np.array([2, *range(5, 5 + length), 3], np.int32) for length in (1, 10, 60)]
    expected = [exact.logit(ids) for ids in texts]
    # The logits of different texts differ by much more than the tolerance.
    assert max(expected) - min(expected) > 0.5
    assert [runtime.logit(ids) for ids in texts] == pytest.approx(expected, abs=0.02)
