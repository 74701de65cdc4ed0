"""The status of the system on a real PostgreSQL."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from plumbline_client.states import JobState
from storage.reports.status import Status, snapshot
from storage.serving import deployments
from storage.serving.deployments import VersionRecord
from tests.ledger import Ledger
from tests.predictions import new_prediction


def read(engine: Engine) -> Status:
    with engine.connect() as connection:
        return snapshot(connection, drift_valid_s=10_800.0)


def test_status_of_empty_tables(engine: Engine) -> None:
    assert read(engine) == Status(
        counts={},
        oldest_queued_s=None,
        scored_last_minute=0,
        live_model=None,
        drift=[],
        open_alerts=[],
    )


def test_status_counts_jobs_and_names_the_serving_versions(ledger: Ledger) -> None:
    with ledger.engine.begin() as connection:
        for model in ("m/1.0.0", "m/2.0.0"):
            deployments.register(connection, VersionRecord(model, "", {}))
        version = VersionRecord("m/1.0.0", "", {})
        deployments.promote(connection, version, deployed_by="ann", reason="")
        deployments.set_canary(connection, "m/2.0.0", 0.25, deployed_by="ann", reason="")
    queued, leased, scored = ledger.accept_texts(3)
    ledger.change("created_at = now() - interval '1 hour'", queued)
    ledger.claim(leased)
    (lease,) = ledger.claim(scored)
    ledger.finish(new_prediction(lease))
    status = read(ledger.engine)
    assert status.counts == {JobState.QUEUED: 1, JobState.LEASED: 1, JobState.SCORED: 1}
    assert status.oldest_queued_s == pytest.approx(3_600, abs=60)
    assert status.scored_last_minute == 1
    assert (status.live_model, status.shadow_model) == ("m/1.0.0", None)
    assert (status.canary_model, status.canary_share) == ("m/2.0.0", 0.25)
