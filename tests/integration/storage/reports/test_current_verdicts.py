"""The current verdicts on a real PostgreSQL; `tests/unit` has the rules."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, text

from storage.reports import accepted_references
from storage.reports.accepted_references import Traffic
from storage.reports.current_verdicts import current_verdicts, last_reported
from storage.serving import deployments
from storage.serving.deployments import VersionRecord
from tests.integration.storage.reports.test_drift import add

VALID_S = 10_800.0
NOW = datetime.now(UTC)
VALUES = text("""
INSERT INTO plumbline.drift_values
    (report_id, feature, method, value, threshold, drifted, histogram)
VALUES (:id, 'chars', 'm', :value, 2, true, '{}')
""")


def promote(engine: Engine, *models: str) -> None:
    with engine.begin() as connection:
        for model in models:
            version = VersionRecord(model, "", {})
            deployments.promote(connection, version, deployed_by="ann", reason="")


def age(engine: Engine, report_id: int, hours: int) -> None:
    statement = text(
        "UPDATE plumbline.drift_reports SET created_at = now() - make_interval(hours => :hours) "
        "WHERE id = :id"
    )
    with engine.begin() as connection:
        connection.execute(statement, {"id": report_id, "hours": hours})


def current(engine: Engine) -> list[tuple[str, str | None, str]]:
    with engine.connect() as connection:
        reports = current_verdicts(connection, VALID_S)
    return [(report.model, report.source, report.verdict) for report in reports]


def scheduled(engine: Engine, **fields: Any) -> int:
    return add(engine, scheduled=True, **fields)


def test_promotion_makes_the_verdicts_of_other_versions_history(engine: Engine) -> None:
    scheduled(engine, verdict="drift")
    assert current(engine) == []
    promote(engine, "m/1.0.0")
    assert current(engine) == [("m/1.0.0", None, "drift")]
    promote(engine, "m/2.0.0")
    assert current(engine) == []
    with engine.connect() as connection:
        assert last_reported(connection) is None
    scheduled(engine, model="m/2.0.0")
    assert current(engine) == [("m/2.0.0", None, "stable")]


def test_canary_has_a_verdict_while_its_report_is_fresh(engine: Engine) -> None:
    promote(engine, "m/2.0.0", "m/1.0.0")
    with engine.begin() as connection:
        deployments.set_canary(connection, "m/2.0.0", 0.1, deployed_by="ann", reason="")
    report_id = scheduled(engine, model="m/2.0.0", verdict="drift")
    scheduled(engine)
    assert current(engine) == [("m/2.0.0", None, "drift"), ("m/1.0.0", None, "stable")]
    age(engine, report_id, 4)
    assert current(engine) == [("m/1.0.0", None, "stable")]


def test_verdict_on_a_source_holds_for_a_while_and_the_strongest_comes_first(
    engine: Engine,
) -> None:
    promote(engine, "m/1.0.0")
    everything = scheduled(engine, verdict="drift")
    shop = scheduled(engine, source="shop", verdict="drift")
    gone = scheduled(engine, source="gone", verdict="drift")
    with engine.begin() as connection:
        connection.execute(VALUES, [{"id": everything, "value": 3}, {"id": shop, "value": 9}])
    age(engine, gone, 4)
    age(engine, everything, 4)
    assert current(engine) == [("m/1.0.0", "shop", "drift"), ("m/1.0.0", None, "drift")]


def test_reports_before_the_last_standard_one_are_not_read(engine: Engine) -> None:
    promote(engine, "m/1.0.0")
    scheduled(engine, verdict="drift")
    scheduled(engine)
    add(engine, verdict="too_little_data")
    add(engine, chosen_window=True)
    assert current(engine) == [("m/1.0.0", None, "stable")]


def test_only_scheduled_reports_and_standard_ones_show_that_reports_are_made(
    engine: Engine,
) -> None:
    promote(engine, "m/1.0.0")
    old = scheduled(engine)
    age(engine, old, 9)
    add(engine, verdict="too_little_data")
    add(engine, verdict="stable", chosen_window=True)
    add(engine, verdict="stable", source="shop")
    with engine.connect() as connection:
        before = last_reported(connection)
    add(engine, verdict="stable")
    with engine.connect() as connection:
        after = last_reported(connection)
    assert before is not None and after is not None
    assert (after - before).total_seconds() > 8 * 3_600


def accept(engine: Engine, source: str | None, sources: list[str]) -> int:
    traffic = Traffic(2, NOW, NOW, {"source": sources})
    with engine.begin() as connection:
        return accepted_references.accept(
            connection, traffic, model="m/1.0.0", source=source, reason="new", accepted_by="ann"
        ).id


def revoke(engine: Engine, accepted_id: int) -> None:
    with engine.begin() as connection:
        accepted_references.revoke(connection, accepted_id, reason="no", revoked_by="ann")


def test_verdict_holds_while_its_reference_is_in_force(engine: Engine) -> None:
    promote(engine, "m/1.0.0")
    scheduled(engine, verdict="drift")
    scheduled(engine, source="shop", verdict="drift")
    scheduled(engine, source="mail", verdict="drift")
    accepted_id = accept(engine, None, ["shop", "shop"])
    assert current(engine) == [("m/1.0.0", "mail", "drift")]
    scheduled(engine, reference="accepted", accepted_id=accepted_id)
    everything = ("m/1.0.0", None)
    assert (*everything, "stable") in current(engine)
    revoke(engine, accepted_id)
    assert (*everything, "drift") in current(engine)
    assert (*everything, "stable") not in current(engine)


def test_accepted_source_leaves_the_verdict_on_all_sources(engine: Engine) -> None:
    promote(engine, "m/1.0.0")
    scheduled(engine, verdict="drift")
    scheduled(engine, source="shop", verdict="drift")
    accept(engine, "shop", ["shop"])
    assert current(engine) == [("m/1.0.0", None, "drift")]


def test_reader_sees_the_current_verdicts(engine: Engine) -> None:
    promote(engine, "m/1.0.0")
    accepted_id = accept(engine, None, ["shop"])
    scheduled(engine, reference="accepted", accepted_id=accepted_id, verdict="drift")
    with engine.connect() as connection:
        connection.execute(text("SET ROLE plumbline_reader"))
        (report,) = current_verdicts(connection, VALID_S)
    assert report.verdict == "drift"
