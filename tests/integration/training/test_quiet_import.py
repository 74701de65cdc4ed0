"""Keras as training imports it, in the environment of another Keras program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.unit.training.test_quiet_import import FOREIGN

PRINT_KERAS = """
import json, os
from training.quiet_import import quiet_import
with quiet_import():
    import keras, tensorflow
    from training.evaluation import plots
config = keras.config
print(json.dumps([
    config.backend(), config.floatx(), config.epsilon(), config.image_data_format(),
    config.max_epochs(), config.max_steps_per_epoch(), config.is_nnx_enabled(),
    tensorflow.executing_eagerly(), keras.Variable([1.0]).dtype,
]))
"""


def test_keras_is_configured_for_training_alone(tmp_path: Path) -> None:
    keras_json = tmp_path / ".keras" / "keras.json"
    keras_json.parent.mkdir()
    theirs = {"floatx": "float16", "epsilon": 0.1, "backend": "jax", "nnx_enabled": True}
    keras_json.write_text(json.dumps(theirs | {"image_data_format": "channels_first"}))
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\n")
    environment = os.environ | FOREIGN | {"HOME": str(tmp_path), "PYTHONWARNINGS": "error"}
    process = subprocess.run(
        [sys.executable, "-c", PRINT_KERAS],
        # A folder that Keras would read as well.
        env=environment | {"KERAS_HOME": str(keras_json.parent)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert json.loads(process.stdout) == [
        "tensorflow", "float32", 1e-7, "channels_last", None, None, False, True, "float32",
    ]  # fmt: skip
    assert json.loads(keras_json.read_text())["floatx"] == "float16", "it is the user's"
    assert [file.name for file in keras_json.parent.iterdir()] == ["keras.json"]
