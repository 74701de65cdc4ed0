"""Several devices share each batch, and the loss goes as it does on one."""

import json
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.slow

# In a process of its own: virtual devices are set before TensorFlow first looks at them.
TRAIN = """
import json, sys
from training.quiet_import import quiet_import
with quiet_import():
    import tensorflow as tf
    import keras
    import numpy as np
devices = int(sys.argv[1])
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration() for _ in range(2)],
)
from dataclasses import replace
from training.model.loss import smoothed_cross_entropy
from training.model.architecture import build
from training.presets import TINY
from training.loop.stepper import Stepper

keras.utils.set_random_seed(5)
shape = replace(TINY.model, dropout=0.0, head_dropout=0.0)
config = replace(TINY, model=shape, clip_norm=float(sys.argv[2]))
stepper = Stepper(lambda: build(shape), smoothed_cross_entropy(0.1), config, devices)
draw = np.random.default_rng(3)
ids = draw.integers(5, 300, (7, 9)).astype("int32")
labels = (ids[:, 4:5] % 2).astype("float32")
seed = tf.constant([0, 0])
losses = []
for _ in range(15):
    total, terms = stepper.train(tf.constant(ids), tf.constant(labels), seed, 5e-3)
    losses.append(total / terms)
weights = np.concatenate([w.ravel() for w in stepper.weights])
print(json.dumps({"losses": losses, "norm": float(np.linalg.norm(weights))}))
"""


def train(devices: int, clip_norm: float) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, str(devices), str(clip_norm)],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


# The second norm is so small that every step is clipped: by the norm of the whole batch's gradient.
@pytest.mark.parametrize("clip_norm", [1.0, 0.01])
def test_two_devices_follow_the_curve_of_one(clip_norm: float) -> None:
    """Seven rows a batch, so that the devices' shares differ."""
    one, two = train(1, clip_norm), train(2, clip_norm)
    np.testing.assert_allclose(one["losses"], two["losses"], rtol=2e-3)
    assert one["losses"][-1] < one["losses"][0]
    assert one["norm"] == pytest.approx(two["norm"], rel=1e-3)


def test_more_devices_than_there_are_is_one_sentence(tmp_path) -> None:
    rows = [{"text": f"word{n} {'win' if n % 2 else 'tea'}", "label": n % 2} for n in range(60)]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    failed = subprocess.run(
        [
            *(sys.executable, "-m", "training", "--data", str(tmp_path / "d.jsonl")),
            *("--preset", "tiny", "--devices", "64", "--models-dir", str(tmp_path / "m")),
            *("--run-dir", str(tmp_path / "r")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert failed.returncode == 1
    assert "--devices 64 was asked for" in failed.stderr
    assert "Traceback" not in failed.stderr
