"""What a backtest leaves out, counted and estimated, on a real PostgreSQL."""

from __future__ import annotations

import uuid

import pytest
from sqlalchemy import Engine

from storage.reports.backtest import BacktestSelection, LeftOutTexts, left_out_texts
from tests.integration.storage.reports.test_quality_samples import (
    CANARY,
    LIVE,
    MIDNIGHT,
    job,
    write,
)

# Of 80 texts with evenly distributed ids, 24 are drawn when all samples together are 40.
EXACT, SAMPLED = 1_000, 40


@pytest.fixture
def deleted_texts(engine: Engine) -> Engine:
    """80 texts of a large source, a quarter of them by a canary, and 8 of each of two small ones.

    The texts are deleted, and the versions were never registered.
    """
    large = [job(number, 80) for number in range(80)]
    write(engine, "large", [each for number, each in enumerate(large) if number % 4 < 3])
    write(engine, "large", large[3::4], CANARY)
    for source in ("small", "tiny"):
        write(engine, source, [uuid.uuid4() for _ in range(8)])
    return engine


@pytest.mark.parametrize(("exact_texts", "estimated"), [(EXACT, False), (SAMPLED, True)])
@pytest.mark.parametrize("sources", [(), ("large", "tiny"), ("unknown",)])
def test_texts_that_are_left_out_are_counted_or_estimated_by_source_and_version(
    deleted_texts: Engine, exact_texts: int, estimated: bool, sources: tuple[str, ...]
) -> None:
    selection = BacktestSelection(MIDNIGHT, ("ham", "spam"), sources)
    expected = [
        LeftOutTexts(source, model, (), texts, estimated)
        for source, model, texts in (
            ("large", LIVE, 60),
            ("large", CANARY, 20),
            ("small", LIVE, 8),
            ("tiny", LIVE, 8),
        )
        if not sources or source in sources
    ]
    with deleted_texts.connect() as connection:
        assert left_out_texts(connection, selection, exact_texts) == expected
