"""The first worker that starts makes the default version serve, as it is, and says what it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from storage.serving import deployments
from storage.tables import ModelVersion
from tests.artifacts import FAILED, PASSED, write_copy
from tests.workers import worker


@pytest.mark.parametrize(
    ("gates", "warning"),
    [
        (PASSED, None),
        (FAILED, "in spite of its gates: f1 is 0.85, and at least 0.9 is wanted."),
        ((), "in spite of its gates: sms-spam/3.0.0 was never gated."),
    ],
)
def test_gates_that_were_not_passed_are_a_warning(
    database_url: str,
    broker_url: str,
    engine: Engine,
    tmp_path: Path,
    gates: Sequence[Any],
    warning: str | None,
) -> None:
    write_copy(tmp_path / "models", "3.0.0", gates)
    settings = {"models_dir": tmp_path / "models"}
    with worker(database_url, broker_url, tmp_path, settings=settings, concurrency=1) as found:
        log = found.log()
    with engine.connect() as connection:
        (first,) = deployments.history(connection)
        names = connection.execute(select(ModelVersion.labels)).scalar_one()
    assert (first.model, first.reason, first.forced) == ("sms-spam/3.0.0", "the first start", False)
    assert names == ["ham", "spam"]
    told = [line for line in log.splitlines() if "in spite of its gates" in line]
    assert [
        line.partition("MainProcess] sms-spam/3.0.0 serves as the first, ")[2] for line in told
    ] == ([] if warning is None else [warning])
