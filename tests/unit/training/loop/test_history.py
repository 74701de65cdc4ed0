import math

import pytest

from training.loop.history import History


def test_an_epochs_loss_is_the_mean_over_terms_not_over_batches() -> None:
    history = History()
    assert math.isnan(history.running_loss)
    history.stepped(total=8.0, terms=4, tokens=10)
    history.stepped(total=1.0, terms=1, tokens=3)
    assert history.running_loss == pytest.approx(9 / 5)
    assert history.step_loss == [2.0, 1.0]
    assert (history.batch, history.step, history.tokens) == (2, 2, 13)


def test_closing_an_epoch_says_whether_it_is_the_best() -> None:
    history = History()
    told = []
    for validation in (0.5, 0.3, 0.4):
        history.stepped(1.0, 1, 1)
        told.append(history.closed(validation))
    assert told == [True, True, False]
    assert history.best_epoch == 1
    assert history.epoch_ends == [1, 2, 3]
    assert (history.epoch, history.batch, history.step) == (3, 0, 3)


def test_it_survives_being_written_down() -> None:
    history = History()
    history.stepped(2.0, 1, 5)
    history.closed(0.5)
    assert History(**history.as_dict()) == history
