"""SavedModel to int8 TFLite. A process of its own, since conversion leaks memory: `convert`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from training.errors import ConversionFailed


def convert(saved_model: Path, target: Path) -> None:
    """Write `target` from `saved_model`: int8 weights per channel, activations in float32."""
    done = subprocess.run(
        [sys.executable, "-m", "training.release.convert", str(saved_model), str(target)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0 or not target.is_file():
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ConversionFailed(f"The int8 model could not be made: {last}")


def _convert(saved_model: Path, target: Path) -> None:
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2 as freeze,
    )

    # Its variables live only as long as this name does.
    loaded = tf.saved_model.load(str(saved_model))
    # Unfrozen, the converter leaves every weight of a Keras 3 model out, and the scores are NaN.
    frozen = freeze(loaded.signatures["serving_default"])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    target.write_bytes(converter.convert())


if __name__ == "__main__":
    _convert(Path(sys.argv[1]), Path(sys.argv[2]))
