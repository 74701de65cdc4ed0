"""TensorFlow for the tests that use it in this process."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from training.presets import TINY
from training.quiet_import import quiet_import


@pytest.fixture(scope="module")
def tf_modules() -> Any:
    """TensorFlow, Keras and the training modules that need them, imported by the first test.

    An import at the top of a test file would make collecting the tests take eight seconds longer.
    """
    with warnings.catch_warnings(), quiet_import():
        warnings.simplefilter("ignore")
        import keras
        import tensorflow

        from training.data import augmentation, batches
        from training.evaluation import saved_model_runtime
        from training.loop import fit, optimizer, precision, progress, stepper, train
        from training.model import (
            architecture,
            initial_weights,
            int8_weights,
            loss,
            masked_language,
        )
        from training.release import export
    keras.utils.set_random_seed(3)
    return SimpleNamespace(
        tf=tensorflow, keras=keras, augmentation=augmentation, batches=batches, fit=fit,
        optimizer=optimizer, precision=precision, progress=progress, stepper=stepper,
        architecture=architecture, loss=loss, masked_language=masked_language, train=train,
        initial_weights=initial_weights, int8_weights=int8_weights, export=export,
        saved_model_runtime=saved_model_runtime,
    )  # fmt: skip


@pytest.fixture(scope="module")
def saved_model(tf_modules: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A tiny classifier whose logit depends on the text, and the folder of its SavedModel."""
    model = tf_modules.architecture.build_classifier(TINY.model)
    random = np.random.default_rng(2)
    model.set_weights(
        [random.normal(w.path.endswith("gamma"), 0.3, w.shape) for w in model.weights]
    )
    folder = tmp_path_factory.mktemp("export") / "saved_model"
    tf_modules.export.export_saved_model(model, TINY.model, folder)
    return model, folder


@pytest.fixture
def bfloat16(tf_modules: Any) -> Iterator[None]:
    """Runs the test in mixed bfloat16 precision."""
    tf_modules.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    yield
    tf_modules.keras.mixed_precision.set_global_policy("float32")
