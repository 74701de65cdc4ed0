"""The SavedModel gives a text the same logit as the model that it was exported from."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scoring.errors import ScoringError
from training.evaluation.threads import map_in_threads
from training.presets import TINY

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("ids", [[2, 9, 17, 33, 8, 3], [2, 40, 3]])
def test_logit_is_that_of_the_model(
    tf_modules: Any, saved_model: tuple[Any, Path], ids: list[int]
) -> None:
    model, folder = saved_model
    runtime = tf_modules.saved_model_runtime.SavedModelRuntime(folder)
    expected = np.array(model(np.array([ids], np.int32), masked=False))[0, 0]
    logit = runtime.logit(np.array(ids, np.int32))
    assert isinstance(logit, float)
    assert logit == pytest.approx(expected, abs=1e-5)


def test_logit_that_is_not_finite_is_refused(
    tf_modules: Any, saved_model: tuple[Any, Path], tmp_path: Path
) -> None:
    model, _ = saved_model
    broken = tf_modules.architecture.build_classifier(TINY.model)
    broken.set_weights([np.full(w.shape, np.nan) for w in model.get_weights()])
    tf_modules.export.export_saved_model(broken, TINY.model, tmp_path)
    runtime = tf_modules.saved_model_runtime.SavedModelRuntime(tmp_path)
    with pytest.raises(ScoringError, match=r"returned the logit nan, which is not finite\.$"):
        runtime.logit(np.array([2, 9, 3], np.int32))


def test_logits_of_threads_that_share_it_equal_those_of_one(
    tf_modules: Any, saved_model: tuple[Any, Path]
) -> None:
    runtime = tf_modules.saved_model_runtime.SavedModelRuntime(saved_model[1])
    texts = [np.arange(2, 4 + n % 9, dtype=np.int32) for n in range(40)]
    alone = [runtime.logit(ids) for ids in texts]
    assert list(map_in_threads([runtime.logit, runtime.logit], texts)) == alone
