"""The order of unfamiliar texts, in SQL and in Python."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from sqlalchemy import Engine, text

from storage.unfamiliarity import UNFAMILIARITY, unfamiliarity

KNOWN = {
    "token_surprise": 6.5,
    "new_token_share": 0.0,
    "new_pair_share": 0.0,
    "new_triple_share": 0.02,
    "chars": 40.0,
}
FOREIGN = KNOWN | {"token_surprise": 9.0, "new_token_share": 0.4, "new_triple_share": 0.3}


def in_sql(engine: Engine, features: Mapping[str, float]) -> float | None:
    statement = text(
        f"SELECT {UNFAMILIARITY} FROM (SELECT CAST(:features AS jsonb) AS features) AS row"
    )
    with engine.connect() as connection:
        value: float | None = connection.execute(
            statement, {"features": json.dumps(features)}
        ).scalar_one()
    return value


@pytest.mark.parametrize("features", [KNOWN, FOREIGN])
def test_sql_and_python_agree(engine: Engine, features: Mapping[str, float]) -> None:
    assert in_sql(engine, features) == pytest.approx(unfamiliarity(features))


def test_text_with_new_words_is_less_familiar(engine: Engine) -> None:
    known, foreign = in_sql(engine, KNOWN), in_sql(engine, FOREIGN)
    assert known is not None and foreign is not None
    assert foreign > known


@pytest.mark.parametrize("missing", ["token_surprise", "new_pair_share"])
def test_prediction_without_these_features_has_no_number(engine: Engine, missing: str) -> None:
    features = {name: value for name, value in KNOWN.items() if name != missing}
    assert in_sql(engine, features) is None
    assert unfamiliarity(features) is None
