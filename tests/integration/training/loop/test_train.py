"""A run of a tiny model: what it trains, and what identifies it.

One run is real. In the others, the training loop is replaced, because they are about its inputs.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.paths import FIXTURES
from training.data.examples import Example
from training.data.splits import Splits
from training.loop.history import History
from training.presets import TINY, RunOptions

pytestmark = pytest.mark.slow

TEXTS = [f"word{n % 17} call {'win' if n % 2 else 'tea'} now" for n in range(40)]
EXAMPLES = [Example(text, n % 2) for n, text in enumerate(TEXTS)]
SPLITS = Splits(EXAMPLES[:32], EXAMPLES[32:], EXAMPLES[32:], fingerprint="ab" * 32)
# 0 steps mean all steps of all epochs; here, an epoch has one step.
CONFIG = replace(TINY, batch=32, epochs=2, total_steps=0)


def train(tf_modules: Any, folder: Path, weights: Any = None, **changes: Any) -> Any:
    return tf_modules.train.train_classifier(
        SPLITS,
        replace(CONFIG, **changes),
        weights or tf_modules.initial_weights.random_weights(),
        RunOptions(folder),
    )


@pytest.fixture
def without_training(tf_modules: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf_modules.train, "fit", lambda *_: History())


def test_run_that_is_complete_is_not_repeated(tf_modules: Any, tmp_path: Path) -> None:
    first = train(tf_modules, tmp_path)
    assert first.config.total_steps == first.history.step == CONFIG.epochs
    assert first.folder.parent == tmp_path
    again = train(tf_modules, tmp_path)
    assert again.folder == first.folder
    # The history contains the seconds of training, which a second run would change.
    assert again.history.as_dict() == first.history.as_dict()
    for was, now in zip(first.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)


@pytest.mark.usefixtures("without_training")
def test_model_has_the_vocabulary_that_the_texts_gave(
    tf_modules: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trained = train(tf_modules, tmp_path)
    size = trained.tokenizer.get_vocab_size()
    assert size < CONFIG.model.vocabulary
    assert trained.config.model == replace(CONFIG.model, vocabulary=size)
    assert f"only {size} of the {CONFIG.model.vocabulary} vocabulary pieces" in caplog.text


@pytest.mark.usefixtures("without_training")
def test_run_with_another_setting_has_another_folder(tf_modules: Any, tmp_path: Path) -> None:
    folders = {train(tf_modules, tmp_path, seed=seed).folder for seed in (7, 8, 7)}
    assert len(folders) == 2


@pytest.mark.usefixtures("without_training")
def test_run_with_another_vocabulary_has_another_folder(
    tf_modules: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same texts give another vocabulary if how pieces are learned has changed."""
    before = train(tf_modules, tmp_path)
    fewer = tf_modules.train.train_vocabulary(TEXTS[:8], CONFIG.model.vocabulary, lowercase=True)
    monkeypatch.setattr(tf_modules.train, "train_vocabulary", lambda *_, **__: fewer)
    after = train(tf_modules, tmp_path)
    assert after.tokenizer.get_vocab_size() < before.tokenizer.get_vocab_size()
    assert after.folder != before.folder


@pytest.mark.usefixtures("without_training")
def test_pretrained_weights_decide_the_shape_and_the_tokenizer(
    tf_modules: Any, tmp_path: Path
) -> None:
    weights = tf_modules.initial_weights.pretrained_weights(str(FIXTURES / "bert-tiny"))
    trained = train(tf_modules, tmp_path, weights)
    assert trained.config.model == weights.shape
    assert trained.tokenizer.to_str() == weights.tokenizer.to_str()
    loaded = tf_modules.architecture.build_classifier(weights.shape)
    weights.load(loaded)
    for values, expected in zip(
        trained.model.backbone.get_weights(), loaded.backbone.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(values, expected)


@pytest.mark.usefixtures("without_training")
def test_masked_language_model_needs_no_labels(tf_modules: Any, tmp_path: Path) -> None:
    trained = tf_modules.train.train_masked_language_model(
        TEXTS[:32], TEXTS[32:], CONFIG, RunOptions(tmp_path), SPLITS.fingerprint
    )
    size = trained.tokenizer.get_vocab_size()
    assert trained.config.model.vocabulary == size
    # Not the run of a classifier with the same data and settings.
    assert trained.folder != train(tf_modules, tmp_path).folder
    expected = tf_modules.masked_language.build_masked_language_model(trained.config.model)
    assert type(trained.model) is type(expected)
    assert [w.shape for w in trained.model.get_weights()] == [
        w.shape for w in expected.get_weights()
    ]


def test_key_of_a_run_depends_on_everything_it_is_made_of(
    tf_modules: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_key = tf_modules.train.run_key
    key = run_key("data", {"seed": 7}, "random")
    assert key == run_key("data", {"seed": 7}, "random")
    changed = {
        run_key("other", {"seed": 7}, "random"),
        run_key("data", {"seed": 8}, "random"),
        run_key("data", {"seed": 7}, "pretrained"),
    }
    monkeypatch.setattr(tf_modules.train, "__version__", "99.0.0")
    changed.add(run_key("data", {"seed": 7}, "random"))
    assert len(changed | {key}) == 5
