"""Announcements of a real PostgreSQL, with and without neighbours that misuse its notifications."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import Engine

from storage.database import connect
from storage.jobs import announcements
from storage.jobs.announcements import FLOOD, Silence, listen, notify_relay
from tests.ledger import Ledger
from tests.pooler import transaction_pooler
from tests.waiting import eventually


def test_listener_is_notified_by_a_committed_transaction(ledger: Ledger) -> None:
    with listen(ledger.engine) as listener:
        assert listener.silence is None
        listener.check()
        assert not listener.wait(0.0)
        with ledger.engine.begin() as connection:
            notify_relay(connection)
        assert listener.wait(60.0)
        listener.check()
        assert listener.silence is None


def test_listener_behind_a_pooler_polls_and_occupies_no_connection(database_url: str) -> None:
    with transaction_pooler(database_url) as url:
        engine = connect(url, pool_size=1)
        with listen(engine) as listener, engine.connect():
            assert listener.silence is Silence.POOLER
            listener.check()
            assert not listener.wait(0.0)
            eventually(lambda: listener.wait(0.1))
            assert not listener.wait(0.0), "the next reading is due an interval later"
        engine.dispose()


def test_listener_polls_through_a_flood_and_listens_again(
    database_url: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcements, "FLOODED_S", 0.5)
    with listen(engine) as listener, psycopg.connect(database_url, autocommit=True) as neighbour:
        neighbour.execute(
            f"SELECT pg_notify('{announcements.CHANNEL}', n::text) "
            f"FROM generate_series(1, {3 * FLOOD}) AS n"
        )
        assert listener.wait(60.0)
        assert listener.silence is Silence.FLOOD
        assert not listener.wait(0.0), "the flood causes one read of the outbox"
        listener.check()
        assert listener.silence is Silence.FLOOD, "a check does not end the pause"
        eventually(lambda: listener.wait(0.1))
        eventually(lambda: listener.silence is None or listener.wait(0.1) is None)
        with engine.begin() as connection:
            notify_relay(connection)
        assert listener.wait(60.0)


def test_few_foreign_notifications_cost_one_read(database_url: str, engine: Engine) -> None:
    with listen(engine) as listener, psycopg.connect(database_url, autocommit=True) as neighbour:
        for number in range(FLOOD // 10):
            neighbour.execute("SELECT pg_notify(%s, %s)", [announcements.CHANNEL, str(number)])
        assert listener.wait(60.0)
        assert not listener.wait(0.0)
        assert listener.silence is None
