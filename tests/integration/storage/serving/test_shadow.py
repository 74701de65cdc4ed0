"""Shadow predictions on a real PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, Row, text

from storage.serving import shadow
from tests.ledger import Ledger, job
from tests.predictions import new_prediction


def shadow_rows(engine: Engine) -> list[Row[Any]]:
    with engine.connect() as connection:
        query = "SELECT * FROM plumbline.predictions WHERE role = 'shadow' ORDER BY model"
        return list(connection.execute(text(query)))


def test_shadow_prediction_is_stored_next_to_the_live_one(engine: Engine) -> None:
    ledger = Ledger(engine)
    (lease,) = ledger.claim(arriving=[job()])
    ledger.finish(new_prediction(lease))
    before = ledger.row(lease.id)
    score = new_prediction(
        lease,
        model="tiny/1.1.0",
        probability=0.875,
        ranked=[{"label": "spam", "probability": 0.875}],
        features={"chars": 14.0},
    )
    with engine.begin() as connection:
        assert shadow.write(connection, [score]) == 1
    (row,) = shadow_rows(engine)
    assert (row.job_id, row.model, row.probability) == (lease.id, "tiny/1.1.0", 0.875)
    assert row.ranked == [{"label": "spam", "probability": 0.875}]
    assert row.features == {"chars": 14.0}
    assert ledger.row(lease.id) == before, "a shadow prediction changes no job"


def test_first_shadow_prediction_of_a_job_remains(engine: Engine) -> None:
    ledger = Ledger(engine)
    leases = ledger.claim(arriving=[job("one"), job("two")])
    ledger.finish(*(new_prediction(lease) for lease in leases))
    first, second = leases
    with engine.begin() as connection:
        assert shadow.write(connection, [new_prediction(first, model="m/1.0.0")]) == 1
        later = [new_prediction(lease, model="m/2.0.0") for lease in (first, second)]
        assert shadow.write(connection, later) == 1
    rows = {(row.job_id, row.model) for row in shadow_rows(engine)}
    assert rows == {(first.id, "m/1.0.0"), (second.id, "m/2.0.0")}
