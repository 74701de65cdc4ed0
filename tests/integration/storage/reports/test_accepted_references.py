"""Accepted references on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, Row

from storage.reports import accepted_references
from storage.reports.accepted_references import Traffic, rows_by_source
from tests.traffic import write_traffic

MODEL = "m/1.0.0"
NOW = datetime.now(UTC)
HOUR_AGO = NOW - timedelta(hours=1)


def write(engine: Engine, count: int, source: str, **fields: Any) -> None:
    rows = [{"probability": 0.5, "chars": float(length)} | fields for length in range(count)]
    write_traffic(engine, rows, model=MODEL, source=source, scored_at=NOW)


def read(engine: Engine, source: str | None = None, limit: int = 100) -> Traffic:
    with engine.connect() as connection:
        return accepted_references.read_traffic(
            connection, model=MODEL, since=HOUR_AGO, until=None, source=source, limit=limit
        )


def accept(engine: Engine, source: str | None = None) -> Row[Any]:
    traffic = read(engine, source)
    with engine.begin() as connection:
        return accepted_references.accept(
            connection, traffic, model=MODEL, source=source, reason="new shop", accepted_by="ann"
        )


def in_force(engine: Engine, source: str | None, min_rows: int = 3) -> tuple[int, int] | None:
    """Return the id of the reference and its number of rows."""
    with engine.connect() as connection:
        row = accepted_references.in_force(connection, MODEL, source, min_rows)
    return None if row is None else (row[0].id, len(row[1]["decision"]))


def test_traffic_is_a_repeatable_sample_of_the_window_with_its_sources(engine: Engine) -> None:
    write(engine, 4, "shop")
    write(engine, 4, "mail", digit_share=0.5)
    write_traffic(engine, [{"chars": 1.0}], model="m/2.0.0", scored_at=NOW)
    old = NOW - timedelta(days=2)
    write_traffic(engine, [{"chars": 1.0}], model=MODEL, scored_at=old)
    whole, sample = read(engine), read(engine, limit=3)
    assert (whole.total, whole.rows) == (8, 8)
    assert sorted(whole.columns["source"]) == ["mail"] * 4 + ["shop"] * 4
    # A feature that rows of an earlier release lack is left out.
    assert whole.columns.keys() == {"source", "probability", "confidence", "decision", "chars"}
    assert (sample.total, sample.rows) == (8, 3)
    assert sample == read(engine, limit=3)
    assert read(engine, "nobody") == Traffic(0, None, None, {})


def test_reference_of_a_source_has_its_rows_of_the_newest_acceptance(engine: Engine) -> None:
    write(engine, 4, "shop")
    shop = accept(engine, "shop")
    assert in_force(engine, None) is None
    assert in_force(engine, "mail") is None
    assert in_force(engine, "shop") == (shop.id, 4)
    write(engine, 2, "mail")
    everything = accept(engine)
    assert in_force(engine, None) == (everything.id, 6)
    assert in_force(engine, "shop") == (everything.id, 4)
    # Too few rows of this source were accepted to say what is normal for it.
    assert in_force(engine, "mail") is None
    assert in_force(engine, "mail", min_rows=2) == (everything.id, 2)
    assert rows_by_source(everything) == [("shop", 4), ("mail", 2)]
    assert [row.id for row in list_ids(engine)] == [everything.id, shop.id]


def list_ids(engine: Engine) -> Sequence[Row[Any]]:
    with engine.connect() as connection:
        return accepted_references.list_accepted(connection)


def test_revoked_reference_gives_way_to_the_one_before_it(engine: Engine) -> None:
    write(engine, 4, "shop")
    first, second = accept(engine), accept(engine)
    assert in_force(engine, None) == (second.id, 4)
    with engine.begin() as connection:
        assert accepted_references.revoke(
            connection, second.id, reason="a mistake", revoked_by="bob"
        )
        assert not accepted_references.revoke(connection, second.id, reason="x", revoked_by="bob")
        assert not accepted_references.revoke(connection, 999, reason="x", revoked_by="bob")
    assert in_force(engine, None) == (first.id, 4)
    revoked = list_ids(engine)[0]
    assert (revoked.revoked_by, revoked.revoked_reason) == ("bob", "a mistake")
    assert revoked.revoked_at is not None


@pytest.mark.parametrize("source", [None, "shop"])
def test_reference_outlives_the_predictions(engine: Engine, source: str | None) -> None:
    write(engine, 4, "shop")
    accept(engine, source)
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM plumbline.predictions")
        row = accepted_references.in_force(connection, MODEL, "shop", 3)
    assert row is not None
    assert sorted(row[1]["chars"]) == [0.0, 1.0, 2.0, 3.0]
