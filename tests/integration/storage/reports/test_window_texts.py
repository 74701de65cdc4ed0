"""The texts and sources behind a report on a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, text

from storage.reports.window_texts import Period, least_familiar, may_read_texts, source_rows
from tests.traffic import write_traffic

MODEL = "m/1.0.0"
NOW = datetime.now(UTC)
PERIOD = Period(MODEL, NOW - timedelta(hours=1), NOW)


def row(words: str, surprise: float, **fields: Any) -> dict[str, Any]:
    shares = dict.fromkeys(("new_token_share", "new_pair_share", "new_triple_share"), 0.0)
    return {"text": words, "token_surprise": surprise} | shares | fields


def test_least_familiar_texts_come_first_once_each(engine: Engine) -> None:
    rows = [row("strange", 9.0, key="k-1"), row("strange", 9.0), row("usual", 5.0)]
    rows += [row("deleted", 9.5) | {"text": None}, {"text": "of an earlier release"}]
    write_traffic(engine, rows, model=MODEL, source="shop", scored_at=NOW)
    write_traffic(engine, [row("elsewhere", 9.9)], model=MODEL, source="mail", scored_at=NOW)
    write_traffic(engine, [row("shadow", 9.9)], model=MODEL, role="shadow", scored_at=NOW)
    write_traffic(engine, [row("other version", 9.9)], model="m/2.0.0", scored_at=NOW)
    yesterday = NOW - timedelta(days=1)
    write_traffic(engine, [row("yesterday", 9.9)], model=MODEL, scored_at=yesterday)
    with engine.connect() as connection:
        shop = least_familiar(connection, PERIOD, "shop", 9)
        everything = least_familiar(connection, PERIOD, None, 2)
    assert [(found.text, found.key) for found in shop] == [("strange", "k-1"), ("usual", None)]
    assert [found.text for found in everything] == ["elsewhere", "strange"]
    assert everything[0].source == "mail" and everything[0].unfamiliarity > 0.2


def test_rows_are_counted_by_source(engine: Engine) -> None:
    write_traffic(engine, [row("a", 1.0)] * 3, model=MODEL, source="shop", scored_at=NOW)
    write_traffic(engine, [row("b", 1.0)] * 5, model=MODEL, source="mail", scored_at=NOW)
    with engine.connect() as connection:
        assert source_rows(connection, PERIOD) == [("mail", 5), ("shop", 3)]


def test_reader_may_read_texts_and_a_producer_may_not(engine: Engine) -> None:
    write_traffic(engine, [row("strange", 9.0)], model=MODEL, scored_at=NOW)
    with engine.connect() as connection:
        connection.execute(text("SET ROLE plumbline_reader"))
        assert may_read_texts(connection)
        assert len(least_familiar(connection, PERIOD, None, 5)) == 1
        assert source_rows(connection, PERIOD) == [("default", 1)]
        connection.execute(text("SET ROLE plumbline_producer"))
        assert not may_read_texts(connection)
