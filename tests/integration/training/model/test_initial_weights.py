"""Random, pretrained and earlier weights, each loaded into a tiny model."""

import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scoring.artifact.config import ScoringConfig
from scoring.runtime.litert import LiteRtRuntime
from tests.artifacts import write_artifact
from tests.paths import FIXTURES, MODELS
from training.errors import InitialWeightsInvalid
from training.presets import TINY

pytestmark = pytest.mark.slow


def assert_same_weights(model: Any, expected: Any) -> None:
    for values, reference in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(values, reference)


def test_every_weight_of_a_saved_model_is_loaded(
    tf_modules: Any, saved_model: tuple[Any, Path]
) -> None:
    expected, folder = saved_model
    model = tf_modules.architecture.build_classifier(TINY.model)
    tf_modules.initial_weights.load_saved_model(model, folder / "variables" / "variables")
    assert_same_weights(model, expected)


def test_saved_model_with_other_weights_is_refused(
    tf_modules: Any, saved_model: tuple[Any, Path]
) -> None:
    larger = tf_modules.architecture.build_classifier(replace(TINY.model, layers=2))
    with pytest.raises(InitialWeightsInvalid, match="written by another release"):
        tf_modules.initial_weights.load_saved_model(
            larger, saved_model[1] / "variables" / "variables"
        )


def test_random_weights_leave_the_settings_unchanged(tf_modules: Any) -> None:
    weights = tf_modules.initial_weights.random_weights()
    assert weights.adapt(TINY) == TINY
    assert (weights.tokenizer, weights.parent) == (None, None)


def test_pretrained_weights_are_fine_tuned_in_their_shape(tf_modules: Any) -> None:
    weights = tf_modules.initial_weights.pretrained_weights(str(FIXTURES / "bert-tiny"))
    assert weights.name == f"bert-tiny (weights {weights.fingerprint[:12]})"
    adapted = weights.adapt(TINY)
    assert adapted.model == weights.shape
    assert adapted.learning_rate == TINY.learning_rate / 4
    model = tf_modules.architecture.build_classifier(weights.shape)
    before = [values.copy() for values in model.backbone.get_weights()]
    weights.load(model)
    changed = [
        not np.array_equal(was, now)
        for was, now in zip(before, model.backbone.get_weights(), strict=True)
    ]
    assert all(changed)


def test_fingerprint_depends_on_the_weights(tf_modules: Any) -> None:
    bert, again, distilbert = (
        tf_modules.initial_weights.pretrained_weights(str(FIXTURES / name)).fingerprint
        for name in ("bert-tiny", "bert-tiny", "distilbert-tiny")
    )
    assert bert == again != distilbert


def test_version_is_loaded_with_its_head_shape_and_tokenizer(
    tf_modules: Any, saved_model: tuple[Any, Path], tmp_path: Path
) -> None:
    expected, folder = saved_model
    config = ScoringConfig(
        labels=("letter", "advert"),
        max_tokens=TINY.model.max_tokens,
        architecture=asdict(TINY.model),
    )
    version = write_artifact(tmp_path, config=config)
    shutil.copytree(folder, version / "saved_model")
    weights = tf_modules.initial_weights.version_weights(tmp_path, "tiny")
    assert (weights.name, str(weights.parent)) == ("tiny/1.0.0", "tiny/1.0.0")
    assert weights.shape == TINY.model
    assert weights.tokenizer.token_to_id("prize") is not None
    model = tf_modules.architecture.build_classifier(weights.shape)
    weights.load(model)
    assert_same_weights(model, expected)


@pytest.fixture(scope="module")
def recreated(tf_modules: Any) -> Any:
    """The shipped version has no SavedModel."""
    weights = tf_modules.initial_weights.version_weights(MODELS, "sms-spam/1.0.0")
    assert weights.name == "sms-spam/1.0.0 (float weights re-created from its int8 model)"
    model = tf_modules.architecture.build_classifier(weights.shape)
    weights.load(model)
    return model


def test_version_without_a_saved_model_is_loaded_from_its_int8_model(recreated: Any) -> None:
    runtime = LiteRtRuntime(MODELS / "sms-spam" / "1.0.0" / "model.int8.tflite")
    random = np.random.default_rng(11)
    for tokens in (5, 40, 200):
        ids = random.integers(1, 30_000, tokens).astype(np.int32)
        exact = float(recreated(ids[None], masked=False, training=False)[0, 0])
        assert runtime.logit(ids) == pytest.approx(exact, abs=0.15)
    # Every one of them has left the values that Keras begins with, ones and zeros.
    assert all(np.std(values) > 0.0 for values in recreated.get_weights() if values.size > 1)


def test_int8_model_of_another_shape_is_refused(
    tf_modules: Any, saved_model: tuple[Any, Path]
) -> None:
    model, _ = saved_model
    with pytest.raises(InitialWeightsInvalid, match=r"cannot be re-created from .*--from-pretr"):
        tf_modules.int8_weights.load_int8_model(
            model, MODELS / "sms-spam" / "1.0.0" / "model.int8.tflite"
        )


def test_weights_whose_logits_differ_are_refused(tf_modules: Any, recreated: Any) -> None:
    kernel = recreated.head[0].kernel
    values = np.asarray(kernel)
    kernel.assign(values[::-1])
    with pytest.raises(InitialWeightsInvalid, match="its logit is"):
        tf_modules.int8_weights.check_logits(
            recreated, MODELS / "sms-spam" / "1.0.0" / "model.int8.tflite"
        )
    kernel.assign(values)
