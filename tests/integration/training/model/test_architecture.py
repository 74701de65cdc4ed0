"""The network: its size, its attention mask, and both ways of computing the last block."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from training.presets import SPEC, TINY

pytestmark = pytest.mark.slow

IDS = np.array([[2, 9, 17, 33, 8, 3], [2, 40, 41, 3, 0, 0]], dtype="int32")


def test_spec_has_96_023_041_parameters(tf_modules: Any) -> None:
    assert tf_modules.architecture.build_classifier(SPEC.model).count_params() == 96_023_041


def test_padding_does_not_change_the_logit(tf_modules: Any) -> None:
    model = tf_modules.architecture.build_classifier(TINY.model)
    padded = np.array(model(IDS))[1]
    alone = np.array(model(IDS[1:, :4], masked=False))[0]
    np.testing.assert_allclose(padded, alone, atol=1e-5)


def test_last_block_of_the_first_token_only_gives_the_same_vector(tf_modules: Any) -> None:
    backbone = tf_modules.architecture.Backbone(replace(TINY.model, layers=2))
    every, first = np.array(backbone(IDS)), np.array(backbone(IDS, first_only=True))
    assert every.shape == (2, 6, TINY.model.width)
    np.testing.assert_allclose(every[:, :1], first, atol=1e-5)


def test_order_of_tokens_changes_the_state(tf_modules: Any) -> None:
    backbone = tf_modules.architecture.Backbone(TINY.model)
    reversed_ids = IDS[:1, [0, 4, 3, 2, 1, 5]]
    states = [np.array(backbone(ids, first_only=True)) for ids in (IDS[:1], reversed_ids)]
    assert not np.allclose(*states, atol=1e-4)


def test_dropout_is_active_only_in_training(tf_modules: Any) -> None:
    model = tf_modules.architecture.build_classifier(TINY.model)
    inference = [np.array(model(IDS, training=False)) for _ in range(2)]
    training = [np.array(model(IDS, training=True)) for _ in range(2)]
    np.testing.assert_array_equal(*inference)
    assert not np.array_equal(*training)
