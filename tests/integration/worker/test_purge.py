"""Retention by the settings, on a real PostgreSQL."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text

from plumbline.settings import Settings
from tests.ledger import Ledger, count_predictions
from tests.predictions import new_prediction
from worker import purge
from worker.purge import Purged, run_purge

DAY_S = 86_400.0


@pytest.fixture
def old(engine: Engine) -> Engine:
    """Return a database with two jobs that were scored ten days ago."""
    ledger = Ledger(engine)
    ids = ledger.accept_texts(2)
    ledger.finish(*(new_prediction(lease) for lease in ledger.claim(*ids)))
    days = "now() - interval '10 days'"
    ledger.change(f"created_at = {days}, finished_at = {days}", *ids)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE plumbline.predictions SET scored_at = {days}"))
    return engine


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, Purged()),
        ({"keep_texts_s": 11 * DAY_S, "keep_rows_s": 11 * DAY_S}, Purged()),
        ({"keep_texts_s": 9 * DAY_S}, Purged(texts=2)),
        ({"keep_rows_s": 9 * DAY_S}, Purged(texts=2, predictions=2)),
        ({"keep_texts_s": 9 * DAY_S, "keep_rows_s": 11 * DAY_S}, Purged(texts=2)),
    ],
)
def test_what_is_older_than_the_settings_keep_is_deleted(
    old: Engine, settings: dict[str, float], expected: Purged
) -> None:
    assert run_purge(old, Settings(**settings)) == expected
    assert count_predictions(old) == 2 - expected.predictions
    assert run_purge(old, Settings(**settings)) == Purged(), "nothing is left to delete"


def test_run_ends_after_its_time_and_the_next_one_deletes_the_rest(
    old: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = purge.purge_predictions
    monkeypatch.setattr(purge, "purge_predictions", lambda *rest: batches(*rest, batch=1))
    settings = Settings(keep_rows_s=9 * DAY_S)
    times = iter([0.0, 1.0, 31.0, 100.0, 101.0, 102.0])
    clock = times.__next__
    assert run_purge(old, settings, clock=clock) == Purged(2, 1, complete=False)
    assert run_purge(old, settings, clock=clock) == Purged(0, 1)
