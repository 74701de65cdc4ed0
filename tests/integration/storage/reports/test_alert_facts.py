from __future__ import annotations

import pytest
from sqlalchemy import Engine, text

from storage.reports.alert_facts import read_alert_facts
from storage.serving import deployments
from storage.serving.deployments import VersionRecord

LIMITS = {
    "error_window_s": 900, "min_labels": 1, "max_sources": 50, "drift_valid_s": 10_800,
}  # fmt: skip
INSERT_JOB = text("""
INSERT INTO plumbline.jobs (id, source, text_sha256, state, created_at, finished_at)
VALUES (gen_random_uuid(), 'test', '', :state, now() - interval '50 s', now())
""")


def test_facts_of_an_empty_database(engine: Engine) -> None:
    with engine.begin() as connection:
        facts = read_alert_facts(connection, **LIMITS)
    assert (facts.failed, facts.scored, facts.oldest_queued_s) == (0, 0, None)
    assert (facts.live_model, facts.live_since, list(facts.drift)) == (None, None, [])
    assert facts.drift_reported_at is None


def test_facts_are_read_from_the_tables(engine: Engine) -> None:
    with engine.begin() as connection:
        for model in ("m/1.0.0", "m/2.0.0", "m/2.0.0"):
            version = VersionRecord(model, "", {})
            deployments.promote(connection, version, deployed_by="a", reason="")
        connection.execute(
            text(
                "INSERT INTO plumbline.drift_reports "
                "(model, source, verdict, summary, window_rows, reference_rows, took_ms) VALUES "
                "('m/2.0.0', NULL, 'drift', 'old', 1, 1, 1), "
                "('m/2.0.0', NULL, 'stable', 'new', 1, 1, 1), "
                "('m/2.0.0', 'shop', 'drift', 'shop', 1, 1, 1), "
                "('m/1.0.0', NULL, 'drift', 'gone', 1, 1, 1)"
            )
        )
        for state in ("quarantined", "rejected", "expired", "cancelled", "queued"):
            connection.execute(INSERT_JOB, {"state": state})
        first_deployed_at = connection.execute(
            text("SELECT min(deployed_at) FROM plumbline.deployments WHERE model = 'm/2.0.0'")
        ).scalar_one()
    with engine.begin() as connection:
        facts = read_alert_facts(connection, **LIMITS)
    assert (facts.failed, facts.scored) == (2, 0)
    assert facts.oldest_queued_s == pytest.approx(50, abs=30)
    reports = {(report.source, report.verdict, report.summary) for report in facts.drift}
    assert reports == {(None, "stable", "new"), ("shop", "drift", "shop")}
    assert (facts.live_model, facts.live_since) == ("m/2.0.0", first_deployed_at)
