"""Converts a SavedModel to int8 TFLite, in a subprocess because the converter leaks memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from training.errors import ConversionFailed
from training.quiet_import import quiet_import


def convert_to_int8(saved_model: Path, target: Path) -> None:
    """Write `target` with int8 weights per channel and float32 activations."""
    process = subprocess.run(
        [sys.executable, "-m", "training.release.convert", str(saved_model), str(target)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode != 0 or not target.is_file():
        last = (process.stderr.strip().splitlines() or ["the converter wrote no error"])[-1]
        raise ConversionFailed(f"The SavedModel could not be converted to int8: {last}")


def _convert(saved_model: Path, target: Path) -> None:
    # TensorFlow imports Keras.
    with quiet_import():
        import tensorflow as tf
        from tensorflow.python.framework.convert_to_constants import (
            convert_variables_to_constants_v2 as freeze,
        )

    # The variables live only as long as this reference does.
    loaded = tf.saved_model.load(str(saved_model))
    # Without freezing, the converter omits every weight of a Keras 3 model and the scores are NaN.
    frozen = freeze(loaded.signatures["serving_default"])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    target.write_bytes(converter.convert())


if __name__ == "__main__":
    _convert(Path(sys.argv[1]), Path(sys.argv[2]))
