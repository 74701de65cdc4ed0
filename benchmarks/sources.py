"""The cost of many sources: the time of a quality report, and the number of series of a scrape.

    .venv/bin/python benchmarks/sources.py [--sources 30000]

Each source has one scored text in the current window, inserted without scoring it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from rich.console import Console
from sqlalchemy import text

from monitoring.quality.report import make_reports
from plumbline.embedded.postgres import postgres_server
from plumbline.settings import Settings
from scoring.artifact.manifest import Manifest
from storage import migrate
from storage.database import open_engine
from storage.serving import deployments
from storage.serving.deployments import VersionRecord
from worker.telemetry.ledger_metrics import LedgerCollector, SeriesLimits

MODELS = Path(__file__).resolve().parent.parent / "models"
MODEL = "sms-spam/1.0.0"
INSERT = f"""
WITH texts AS (
    INSERT INTO plumbline.jobs (id, source, state)
    SELECT gen_random_uuid(), 'source ' || number, 'scored'
    FROM generate_series(1, :sources) AS number
    RETURNING id
)
INSERT INTO plumbline.predictions (job_id, role, model, probability, label, confidence, decision,
    ranked, tokens, windows, window_rule, features, queue_ms, score_ms)
SELECT id, 'live', '{MODEL}', 0.1, 'ham', 0.9, 'negative', '[]', 5, 1, 'mean', '{{}}', 1, 1
FROM texts
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", type=int, default=30_000)
    options = parser.parse_args()
    settings = Settings(models_dir=MODELS)
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres_server(Path(folder) / "postgres") as server,
        open_engine(server.url) as engine,
    ):
        migrate.upgrade(engine)
        version = VersionRecord(MODEL, Manifest.read(MODELS / MODEL).sha256, {})
        with engine.begin() as connection:
            deployments.promote_first(connection, version)
            connection.execute(text(INSERT), {"sources": options.sources})
        started = time.perf_counter()
        counts = make_reports(engine, settings)
        report_s = time.perf_counter() - started
        registry = CollectorRegistry()
        registry.register(
            LedgerCollector(server.url, SeriesLimits(settings.max_sources, settings.drift_valid_s))
        )
        page = generate_latest(registry).decode()
    assert counts is not None, "nobody else makes reports here"
    series = sum(not line.startswith("#") for line in page.splitlines())
    Console().print(
        f"{options.sources:,} sources: {counts.reports:,} quality reports in {report_s:.2f} s, "
        f"{series:,} series"
    )


if __name__ == "__main__":
    main()
