from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Metric
from sqlalchemy import Connection, Engine

from worker.telemetry import ledger_metrics
from worker.telemetry.ledger_metrics import LedgerCollector, SeriesLimits

LIMITS = SeriesLimits(50, 10_800.0)
ROWS = (
    """INSERT INTO plumbline.jobs (id, source, text, text_sha256, state, created_at)
       SELECT gen_random_uuid(), 'shop', 'a', '', state, now() - age * interval '1 hour'
       FROM (VALUES ('queued', 1), ('queued', 0), ('leased', 5), ('quarantined', 9),
                    ('scored', 9)) AS jobs (state, age)""",
    """INSERT INTO plumbline.model_versions (model, manifest_sha256, metrics)
       VALUES ('a/1.0.0', '', '{}'), ('a/2.0.0', '', '{}')""",
    """INSERT INTO plumbline.deployments (model, canary, canary_share, deployed_by, reason)
       VALUES ('a/1.0.0', 'a/2.0.0', 0.25, 'me', 'why')""",
    """INSERT INTO plumbline.drift_reports
           (model, source, verdict, summary, window_rows, reference_rows, took_ms)
       VALUES ('a/1.0.0', NULL, 'stable', '', 1, 1, 1), ('a/1.0.0', 'shop', 'stable', '', 1, 1, 1),
              ('a/1.0.0', NULL, 'drift', '', 1, 1, 1), ('a/0.9.0', NULL, 'failed', '', 1, 1, 1)""",
    """INSERT INTO plumbline.alerts
           (rule, subject, severity, message, value, threshold, resolved_at)
       VALUES ('drift', 'shop', 'warning', '', 1, 1, NULL),
              ('age', 'all', 'critical', '', 1, 1, now())""",
    """INSERT INTO plumbline.quality_reports
           (model, role, window_from, window_to, window_rows, labelled_rows)
       VALUES ('a/1.0.0', 'live', now() - interval '2 hours', now() - interval '1 hour', 99, 70)""",
    """INSERT INTO plumbline.quality_values
           (report_id, metric, estimated, estimated_low, estimated_high, realized)
       SELECT id, 'f1', 0.9, 0.8, 0.95, 0.85 FROM plumbline.quality_reports""",
    """INSERT INTO plumbline.periodic_tasks (task, every_s, began_at, ended_at)
       VALUES ('plumbline.sweep', 5, now() - interval '5 s', now() - interval '7 s')""",
)


def test_the_metrics_are_those_of_the_tables(database_url: str, engine: Engine) -> None:
    with engine.begin() as connection:
        for statement in ROWS:
            connection.exec_driver_sql(statement)
    registry = CollectorRegistry()
    registry.register(LedgerCollector(database_url, LIMITS))
    metrics = {
        (sample.name.removeprefix("plumbline_"), *sample.labels.values()): sample.value
        for family in registry.collect()
        for sample in family.samples
    }
    oldest_s = metrics.pop(("oldest_queued_seconds",))
    assert 3_600 <= oldest_s < 3_700
    assert 5 <= metrics.pop(("periodic_task_age_seconds", "plumbline.sweep")) < 65
    assert 7 <= metrics.pop(("periodic_task_completed_age_seconds", "plumbline.sweep")) < 67
    assert metrics.pop(("periodic_task_interval_seconds", "plumbline.sweep")) == 5
    assert metrics.pop(("drift_report_timestamp_seconds", "shop", "a/1.0.0")) > 0
    assert metrics.pop(("drift_report_timestamp_seconds", "", "a/1.0.0")) > 0
    quality = {key: value for key, value in metrics.items() if key[0].startswith("quality")}
    assert {key: value for key, value in metrics.items() if key not in quality} == {
        ("database_up",): 1,
        ("queue_jobs", "queued"): 2,
        ("queue_jobs", "leased"): 1,
        ("quarantined_jobs",): 1,
        ("overdue_leases",): 0,
        ("oldest_overdue_lease_seconds",): 0,
        ("live_model_info", "a/1.0.0", "live"): 1,
        ("live_model_info", "a/2.0.0", "canary"): 1,
        ("canary_ratio",): 0.25,
        ("drift_verdict_info", "", "drift", "a/1.0.0"): 1,
        ("drift_verdict_info", "shop", "stable", "a/1.0.0"): 1,
        ("alert_firing", "drift", "shop", "warning"): 1,
    }
    assert quality == {
        ("quality_ratio", "a/1.0.0", "live", "", "f1", "estimated"): 0.9,
        ("quality_ratio", "a/1.0.0", "live", "", "f1", "estimated_low"): 0.8,
        ("quality_ratio", "a/1.0.0", "live", "", "f1", "estimated_high"): 0.95,
        ("quality_ratio", "a/1.0.0", "live", "", "f1", "realized"): 0.85,
        ("quality_labelled_jobs", "a/1.0.0", "live", ""): 70,
        ("quality_estimate_status_info", "a/1.0.0", "live", "", "unchecked"): 1,
    }


DRIFTED = (
    *ROWS,
    """UPDATE plumbline.drift_reports
       SET window_from = now() - interval '2 hours', window_to = now() - interval '1 hour'
       WHERE verdict = 'drift'""",
    """UPDATE plumbline.quality_reports
       SET labelled_share = 0.5, combined_share = 0.5, random_rows = 70""",
    """UPDATE plumbline.quality_values
       SET combined = 0.7, combined_low = 0.6, combined_high = 0.8""",
)


def test_estimate_under_drift_has_no_series_and_labels_of_some_sources_are_named(
    database_url: str, engine: Engine
) -> None:
    with engine.begin() as connection:
        for statement in DRIFTED:
            connection.exec_driver_sql(statement)
    samples = [
        sample
        for family in LedgerCollector(database_url, LIMITS).collect()
        for sample in family.samples
        if sample.name.startswith("plumbline_quality")
    ]
    assert {s.labels["known_by"]: s.value for s in samples if "known_by" in s.labels} == {
        "realized_labelled_sources": 0.85,
        "combined_labelled_sources": 0.7,
        "combined_labelled_sources_low": 0.6,
        "combined_labelled_sources_high": 0.8,
    }
    assert [s.labels["status"] for s in samples if "status" in s.labels] == ["drift"]


def test_a_query_that_takes_too_long_is_omitted(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def slow(connection: Connection) -> list[Metric]:
        connection.exec_driver_sql("SELECT pg_sleep(30)")
        raise AssertionError("the query was not stopped")

    monkeypatch.setattr(ledger_metrics, "QUERY_LIMIT_S", 0.02)
    monkeypatch.setattr(ledger_metrics, "QUERIES", (slow, ledger_metrics.quarantined))
    monkeypatch.setattr(ledger_metrics, "SOURCE_QUERIES", ())
    metrics = {metric.name: metric for metric in LedgerCollector(database_url, LIMITS).collect()}
    assert metrics.keys() == {"plumbline_database_up", "plumbline_quarantined_jobs"}
    assert metrics["plumbline_database_up"].samples[0].value == 1
    assert "the metrics of slow are omitted" in caplog.text
