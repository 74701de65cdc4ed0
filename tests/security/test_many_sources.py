"""A producer that submits under ever new sources: reports and metrics name the largest ones."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, text

from monitoring.alerts.evaluation import evaluate
from monitoring.quality.report import make_reports
from plumbline.settings import Settings
from storage.reports.quality_counts import OTHER_SOURCES
from storage.serving import deployments
from storage.serving.deployments import VersionRecord
from tests.paths import MODELS
from worker.telemetry.ledger_metrics import LedgerCollector, SeriesLimits

SOURCES = 3_000
NAMED = 10
# Source number i has i % 7 + 1 texts, so that some are larger; names as a hostile producer's.
INSERT = """
WITH texts AS (
    INSERT INTO plumbline.jobs (id, source, state)
    SELECT gen_random_uuid(), 'source ' || number || E'\\n"} 1', 'scored'
    FROM generate_series(1, :sources) AS number, generate_series(0, number % 7)
    RETURNING id
)
INSERT INTO plumbline.predictions (job_id, role, model, probability, label, confidence, decision,
    ranked, tokens, windows, window_rule, features, queue_ms, score_ms)
SELECT id, 'live', 'sms-spam/1.0.0', 0.1, 'ham', 0.9, 'negative', '[]', 5, 1, 'mean', '{}', 1, 1
FROM texts
"""
REPORTED = """
SELECT source, window_rows, count(*) OVER () AS reports
FROM plumbline.quality_reports ORDER BY source NULLS FIRST
"""


def scored_under_many_sources(engine: Engine, sources: int) -> int:
    """Insert the texts and make their version live; return the number of texts."""
    with engine.begin() as connection:
        deployments.promote_first(connection, VersionRecord("sms-spam/1.0.0", "aa", {}))
        return connection.execute(text(INSERT), {"sources": sources}).rowcount


def series(database_url: str) -> int:
    registry = CollectorRegistry()
    registry.register(LedgerCollector(database_url, SeriesLimits(NAMED, 10_800.0)))
    page = generate_latest(registry).decode()
    return sum(len(family.samples) for family in text_string_to_metric_families(page))


def test_reports_and_metrics_name_the_largest_sources_and_count_all(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    texts = scored_under_many_sources(engine, SOURCES)
    settings = Settings(models_dir=MODELS, state_dir=tmp_path, max_sources=NAMED)
    counts = make_reports(engine, settings)
    assert counts is not None
    assert counts.reports == 1 + NAMED + 1
    with engine.connect() as connection:
        rows = connection.execute(text(REPORTED)).all()
    everything, *named = [row.window_rows for row in rows]
    assert everything == texts
    assert sum(named) == texts
    assert [row.source for row in rows].count(OTHER_SOURCES) == 1
    assert {row.window_rows for row in rows[1:] if row.source != OTHER_SOURCES} == {7}
    # Thirteen of quality and two of drift for each source, and some that are not about sources.
    assert series(database_url) < 15 * (NAMED + 2) + 50
    assert evaluate(engine, settings) is not None


def test_a_source_that_is_overtaken_is_counted_with_the_others(
    engine: Engine, tmp_path: Path
) -> None:
    settings = Settings(models_dir=MODELS, state_dir=tmp_path, max_sources=NAMED)
    texts = scored_under_many_sources(engine, NAMED)
    make_reports(engine, settings)
    texts += scored_under_many_sources(engine, 10 * NAMED)
    make_reports(engine, settings)
    with engine.connect() as connection:
        rows = connection.execute(text(REPORTED)).all()
    assert len(rows) == 1 + NAMED + 1
    assert [sum(row.window_rows for row in part) for part in (rows[:1], rows[1:])] == [texts, texts]
