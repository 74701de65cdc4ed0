import math
from dataclasses import replace

import pytest

from training.loop.history import History, why_finished
from training.presets import TINY


def test_epoch_loss_is_the_mean_over_terms() -> None:
    history = History()
    assert math.isnan(history.running_loss)
    history.record_step(total=8.0, terms=4, tokens=10)
    history.record_step(total=1.0, terms=1, tokens=3)
    assert history.running_loss == pytest.approx(9 / 5)
    assert history.step_loss == [2.0, 1.0]
    assert (history.batch, history.step, history.tokens) == (2, 2, 13)


def test_closing_an_epoch_returns_whether_it_is_the_best() -> None:
    history = History()
    is_best = []
    for validation in (0.5, 0.3, 0.4):
        history.record_step(1.0, 1, 1)
        is_best.append(history.close_epoch(validation))
    assert is_best == [True, True, False]
    assert history.best_epoch == 1
    assert history.epoch_ends == [1, 2, 3]
    assert (history.epoch, history.batch, history.step) == (3, 0, 3)


def test_history_is_restored_from_its_dict() -> None:
    history = History()
    history.record_step(2.0, 1, 5)
    history.close_epoch(0.5)
    assert History(**history.as_dict()) == history


def test_a_run_ends_for_the_first_limit_it_reaches() -> None:
    config = replace(TINY, epochs=8, total_steps=40, patience=2)
    assert why_finished(History(), config) is None
    assert why_finished(History(epoch=3, validation_loss=[0.3, 0.2, 0.4]), config) is None
    early = History(epoch=4, validation_loss=[0.3, 0.2, 0.4, 0.3])
    assert why_finished(early, config) == (
        "early stopping: 2 epochs without a lower validation loss"
    )
    assert why_finished(History(epoch=8), config) == "all 8 epochs are done"
    assert why_finished(History(epoch=2, step=40), config) == "all 40 steps are done"
