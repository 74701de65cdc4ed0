"""The int8 model that the converter writes agrees with its SavedModel."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from scoring.runtime.litert import LiteRtRuntime
from training.presets import TINY
from training.release.convert import convert_to_int8

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def int8_model(saved_model: tuple[Any, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    # The converter imports Keras, which fails on this file of the user.
    folder = tmp_path_factory.mktemp("convert")
    (folder / "keras.json").write_text('{"floatx": "int8"}')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(folder))
        convert_to_int8(saved_model[1], folder / "model.int8.tflite")
    return folder / "model.int8.tflite"


def test_converted_model_is_smaller_and_has_almost_the_same_logits(
    tf_modules: Any, saved_model: tuple[Any, Path], int8_model: Path
) -> None:
    model, folder = saved_model
    assert int8_model.stat().st_size < 4 * model.count_params()
    runtime = LiteRtRuntime(int8_model)
    exact = tf_modules.saved_model_runtime.SavedModelRuntime(folder)
    texts = [np.array([2, *range(5, 5 + length), 3], np.int32) for length in (1, 10, 60)]
    expected = [exact.logit(ids) for ids in texts]
    # The logits of different texts differ by much more than the tolerance.
    assert max(expected) - min(expected) > 0.5
    assert [runtime.logit(ids) for ids in texts] == pytest.approx(expected, abs=0.06)


def test_xnnpack_runs_the_network_as_one_piece(int8_model: Path) -> None:
    # Each operation that it refuses would divide the graph, and every division costs time.
    interpreter = Interpreter(model_path=str(int8_model), num_threads=1)
    interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], [1, 9])
    interpreter.allocate_tensors()
    names = [operation["op_name"] for operation in interpreter._get_ops_details()]
    assert names.count("DELEGATE") == 1


def test_weights_are_recreated_from_the_converted_model(
    tf_modules: Any, saved_model: tuple[Any, Path], int8_model: Path
) -> None:
    original, _ = saved_model
    recreated = tf_modules.architecture.build_classifier(TINY.model)
    tf_modules.int8_weights.load_int8_model(recreated, int8_model)
    for variable, expected in zip(recreated.weights, original.get_weights(), strict=True):
        # int8 rounds by at most half of a 127th of the largest weight.
        rounding = np.abs(expected).max() / 250.0
        np.testing.assert_allclose(variable, expected, rtol=0, atol=rounding, err_msg=variable.path)
