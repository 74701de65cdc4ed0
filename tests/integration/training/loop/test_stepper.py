"""Training steps in mixed precision, and on several devices that share each batch."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.presets import TINY

pytestmark = pytest.mark.slow

IDS = np.array([[2, 9, 17, 33, 8, 3], [2, 40, 41, 3, 0, 0]], dtype="int32")

# The second norm is so small that every step is clipped, by the whole batch's gradient norm.
CLIP_NORMS = (1.0, 0.01)
# In a subprocess, because virtual devices must be configured before TensorFlow is initialized.
TRAIN = """
import json, sys
from training.quiet_import import quiet_import
with quiet_import():
    import tensorflow as tf
    import keras
    import numpy as np
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration() for _ in range(2)],
)
from dataclasses import replace
from training.model.loss import smoothed_cross_entropy
from training.model.architecture import build_classifier
from training.presets import TINY
from training.loop.stepper import Stepper

shape = replace(TINY.model, dropout=0.0, head_dropout=0.0)
random = np.random.default_rng(3)
ids = random.integers(5, 300, (7, 9)).astype("int32")
labels = (ids[:, 4:5] % 2).astype("float32")

def train(devices, clip_norm):
    keras.utils.set_random_seed(5)
    config = replace(TINY, model=shape, clip_norm=clip_norm)
    loss = smoothed_cross_entropy(0.1)
    stepper = Stepper(lambda: build_classifier(shape), loss, config, devices)
    losses = []
    for _ in range(15):
        step = (tf.constant(ids), tf.constant(labels), tf.constant([0, 0]), 5e-3)
        total, terms = stepper.train_step(*step)
        losses.append(total / terms)
    weights = np.concatenate([w.ravel() for w in stepper.weights])
    return {"losses": losses, "norm": float(np.linalg.norm(weights))}

print(json.dumps([[train(devices, float(norm)) for devices in (1, 2)] for norm in sys.argv[1:]]))
"""


def make_stepper(tf_modules: Any) -> Any:
    return tf_modules.stepper.Stepper(
        lambda: tf_modules.architecture.build_classifier(TINY.model),
        tf_modules.loss.smoothed_cross_entropy(0.1),
        TINY,
    )


def train_in_process(tf_modules: Any, stepper: Any) -> list[float]:
    """Take 100 steps on the same batch and return their losses."""
    ids, labels = tf_modules.tf.constant(IDS), tf_modules.tf.constant([[1.0], [0.0]])
    return [stepper.train_step(ids, labels, (0, 0), 5e-3)[0] for _ in range(100)]


@pytest.mark.usefixtures("bfloat16")
def test_mixed_precision_trains_and_returns_float32(tf_modules: Any) -> None:
    tf_modules.keras.utils.set_random_seed(3)
    stepper = make_stepper(tf_modules)
    losses = train_in_process(tf_modules, stepper)
    assert np.mean(losses[-10:]) < 0.7 * losses[0]
    assert "float32" in str(stepper.model(IDS).dtype)
    assert "bfloat16" in str(stepper.model.backbone.blocks[0].expand.compute_dtype)
    assert {str(weight.dtype) for weight in stepper.model.weights} == {"float32"}


def test_float16_trains_with_loss_scaling(tf_modules: Any) -> None:
    tf_modules.keras.utils.set_random_seed(3)
    tf_modules.keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        stepper = make_stepper(tf_modules)
    finally:
        tf_modules.keras.mixed_precision.set_global_policy("float32")
    losses = train_in_process(tf_modules, stepper)
    assert np.mean(losses[-10:]) < 0.7 * losses[0]
    assert type(stepper._optimizer).__name__ == "LossScaleOptimizer"


@pytest.fixture(scope="module")
def trained() -> dict[float, list[dict[str, Any]]]:
    """Return the runs on one and on two devices for each of CLIP_NORMS."""
    process = subprocess.run(
        [sys.executable, "-c", TRAIN, *map(str, CLIP_NORMS)],
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert process.returncode == 0, process.stderr
    return dict(zip(CLIP_NORMS, json.loads(process.stdout.splitlines()[-1]), strict=True))


@pytest.mark.parametrize("clip_norm", CLIP_NORMS)
def test_two_devices_have_the_loss_of_one(
    trained: dict[float, list[dict[str, Any]]], clip_norm: float
) -> None:
    """A batch has seven rows, so that the devices' shares differ in size."""
    one, two = trained[clip_norm]
    np.testing.assert_allclose(one["losses"], two["losses"], rtol=2e-3)
    assert one["losses"][-1] < one["losses"][0]
    assert one["norm"] == pytest.approx(two["norm"], rel=1e-3)


def test_too_many_devices_are_reported_in_one_sentence(tmp_path: Path) -> None:
    rows = [{"text": f"word{n} {'win' if n % 2 else 'tea'}", "label": n % 2} for n in range(60)]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    failed = subprocess.run(
        [
            *(sys.executable, "-m", "training", "--data", str(tmp_path / "d.jsonl")),
            *("--preset", "tiny", "--devices", "64", "--models-dir", str(tmp_path / "m")),
            *("--run-dir", str(tmp_path / "r"), "--name", "toy", "--labels", "calm,angry"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert failed.returncode == 1
    assert "--devices is 64, but this machine has" in failed.stderr
    assert "Traceback" not in failed.stderr
