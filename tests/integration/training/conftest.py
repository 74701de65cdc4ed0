"""TensorFlow for the tests that use it in this process."""

import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

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
        from training.loop import fit, optimizer, precision, progress, stepper
        from training.model import architecture, loss, masked_language
    keras.utils.set_random_seed(3)
    return SimpleNamespace(
        tf=tensorflow, keras=keras, augmentation=augmentation, batches=batches, fit=fit,
        optimizer=optimizer, precision=precision, progress=progress, stepper=stepper,
        architecture=architecture, loss=loss, masked_language=masked_language,
    )  # fmt: skip


@pytest.fixture
def bfloat16(tf_modules: Any) -> Iterator[None]:
    """Runs the test in mixed bfloat16 precision."""
    tf_modules.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    yield
    tf_modules.keras.mixed_precision.set_global_policy("float32")
