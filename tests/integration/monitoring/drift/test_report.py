"""Drift reports on predictions in a real PostgreSQL, compared by Evidently."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from monitoring.drift.report import make_reports
from monitoring.drift.request import DriftReportRequest
from monitoring.drift.verdict import METHODS
from plumbline.queues import DRIFT_TASK, REPORT_QUEUE
from plumbline.settings import Settings
from plumbline_client.broker import Publisher
from plumbline_client.errors import DatabaseUnavailable
from scoring.artifact.artifact import Artifact
from scoring.artifact.manifest import Manifest, hashes
from scoring.artifact.profile import Profile
from scoring.input.features import INPUT_FEATURES
from storage.database import connect
from storage.reports import accepted_references, drift
from storage.reports.drift import Window
from storage.serving import deployments
from storage.states import JOINT_FEATURE, ReferenceKind
from tests.artifacts import write_artifact
from tests.paths import MODELS
from tests.traffic import write_traffic
from tests.waiting import eventually
from tests.workers import start_worker

MODEL = "sms-spam/1.0.0"
Row = dict[str, Any]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path / "state", models_dir=MODELS)


@pytest.fixture(scope="module")
def profile() -> Profile:
    return Artifact.load(MODELS / MODEL).profile()


def sample_of_reference(profile: Profile, count: int, seed: int = 5) -> list[Row]:
    """Draw predictions from the reference's own rows, with replacement."""
    draw = random.Random(seed)
    rows = [draw.randrange(profile.rows) for _ in range(count)]
    return [{name: values[row] for name, values in profile.columns.items()} for row in rows]


def write(engine: Engine, rows: Iterable[Row], **fields: Any) -> None:
    """Write the rows as predictions of MODEL, the first row with the newest time."""
    write_traffic(engine, rows, **{"model": MODEL, "features": INPUT_FEATURES} | fields)


def make(engine: Engine, settings: Settings, **request: Any) -> int:
    """Make the requested report, which must be a single one; return its id."""
    (report_id,) = make_reports(engine, settings, DriftReportRequest(**request))
    return report_id


def read(engine: Engine, report_id: int) -> tuple[Any, dict[str, Any]]:
    with engine.connect() as connection:
        row = drift.find_report(connection, report_id)
    assert row is not None
    report, values = row
    return report, {value.feature: value for value in values}


def test_report_without_drift_is_stable_and_complete(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    write(engine, sample_of_reference(profile, 400))
    report, values = read(engine, make(engine, settings, task_id="requested"))
    assert report.verdict == "stable"
    assert report.summary.startswith("none of 15 features drifted; the closest was ")
    assert (report.reference, report.alpha) == ("profile", settings.drift_alpha)
    assert (report.model, report.source, report.task_id) == (MODEL, None, "requested")
    assert (report.window_rows, report.reference_rows) == (400, profile.rows)
    assert report.window_from is not None and report.window_to is not None
    assert report.window_to - report.window_from == timedelta(milliseconds=399)
    assert report.took_ms > 0
    assert values.keys() == {*profile.columns, JOINT_FEATURE}
    assert values[JOINT_FEATURE].histogram == {}
    columns = {name: value for name, value in values.items() if name != JOINT_FEATURE}
    assert len({value.threshold for value in columns.values()}) == 1
    for name, value in values.items():
        assert value.method == METHODS[name]
        assert not value.drifted and 0 <= value.value <= value.threshold
    for value in columns.values():
        assert sum(value.histogram["window"]) == pytest.approx(1)
        assert sum(value.histogram["reference"]) == pytest.approx(1)
    assert values["chars"].histogram["edges"] == profile.histograms["chars"].edges
    assert values["decision"].histogram["labels"] == sorted(set(profile.columns["decision"]))


def test_html_page_is_self_contained(engine: Engine, settings: Settings, profile: Profile) -> None:
    write(engine, sample_of_reference(profile, 50))
    report, _ = read(engine, make(engine, settings))
    assert report.html_path is not None
    page = Path(report.html_path)
    assert page.is_absolute()
    assert list(settings.reports_dir.iterdir()) == [page]
    html = page.read_text(encoding="utf-8")
    for name in profile.columns:
        assert name in html
    assert "<title>sms-spam/1.0.0, all sources: stable</title>" in html
    assert f"{profile.rows} texts: validation texts of sms-spam/1.0.0" in html
    assert re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=.?https?:", html) == []


def test_changed_column_is_drift_and_named_in_the_summary(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    rows = sample_of_reference(profile, 300)
    write(engine, [row | {"upper_share": min(1.0, row["upper_share"] + 0.25)} for row in rows])
    report, values = read(engine, make(engine, settings))
    assert report.verdict == "drift"
    assert re.fullmatch(
        r"1 of 15 features drifted, most of all upper_share "
        r"\(score \d+, threshold [\d.]+; mean 0\.3\d, was 0\.0\d+\)",
        report.summary,
    )
    assert {name for name, value in values.items() if value.drifted} == {
        "upper_share",
        JOINT_FEATURE,
    }


def test_larger_share_of_review_decisions_is_drift(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    rows = sample_of_reference(profile, 300)
    write(engine, [r | ({"decision": "review"} if n % 5 == 0 else {}) for n, r in enumerate(rows)])
    report, values = read(engine, make(engine, settings))
    # The change of one column may be too small for the joint score.
    assert {name for name, value in values.items() if value.drifted} - {JOINT_FEATURE} == {
        "decision"
    }
    before = profile.columns["decision"].count("review") / profile.rows
    assert f"20.0% review, was {before:.1%})" in report.summary


@pytest.mark.parametrize("rows", [0, 29])
def test_too_few_predictions_are_not_assessed(
    engine: Engine, settings: Settings, profile: Profile, rows: int
) -> None:
    if rows:
        write(engine, sample_of_reference(profile, rows))
    report, values = read(engine, make(engine, settings))
    assert report.verdict == "too_little_data"
    assert report.summary == f"{rows} predictions in the window, but at least 30 are needed"
    assert (report.window_rows, report.html_path, values) == (rows, None, {})
    assert (report.window_from is None) == (rows == 0)


def test_window_contains_recent_live_predictions_of_the_live_model(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    now = datetime.now(UTC)
    rows = sample_of_reference(profile, 3)
    write(engine, rows)
    write(engine, rows, role="shadow")
    write(engine, rows, model="sms-spam/0.9.0")
    write(engine, rows, scored_at=now - timedelta(days=2))
    report, _ = read(engine, make(engine, settings))
    assert report.window_rows == 3
    # A time without a zone is UTC.
    since = (now - timedelta(days=3)).replace(tzinfo=None)
    report, _ = read(engine, make(engine, settings, since=since))
    assert report.window_rows == 6


def test_window_can_be_limited_to_one_source(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    write(engine, sample_of_reference(profile, 4), source="billing")
    write(engine, sample_of_reference(profile, 5), source="mail")
    report, _ = read(engine, make(engine, settings, source="mail"))
    assert (report.source, report.window_rows) == ("mail", 5)
    assert read(engine, make(engine, settings, source="nobody"))[0].window_rows == 0


def test_window_contains_the_newest_predictions_oldest_first(
    engine: Engine, profile: Profile
) -> None:
    rows = [row | {"probability": n / 10} for n, row in enumerate(sample_of_reference(profile, 10))]
    write(engine, rows)
    with engine.connect() as connection:
        observations = drift.observations(connection, Window(MODEL, limit=4))
    assert [row.probability for row in observations] == [0.3, 0.2, 0.1, 0.0]


def test_report_is_on_the_promoted_version(
    engine: Engine, settings: Settings, profile: Profile, tmp_path: Path
) -> None:
    write(engine, sample_of_reference(profile, 40))
    with engine.begin() as connection:
        deployments.promote(
            connection,
            deployments.VersionRecord("other/2.0.0", "", {}),
            deployed_by="t",
            reason="t",
        )
    report, values = read(engine, make(engine, settings, task_id="requested"))
    assert (report.model, report.verdict, report.task_id) == ("other/2.0.0", "failed", "requested")
    assert report.summary.startswith("There is no model other/2.0.0")
    assert values == {}


IDENTICAL = {"chars": 20.0, "words": 4.0, "tokens": 4.0, "unknown_share": 0.0}


def test_window_of_one_repeated_text_is_drift_with_every_value(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    one = sample_of_reference(profile, 1)[0] | IDENTICAL | {"decision": "review"}
    write(engine, [one] * 60)
    report, values = read(engine, make(engine, settings))
    assert report.verdict == "drift"
    assert len(values) == 16
    assert report.html_path is not None


def test_feature_missing_from_an_earlier_release_is_left_out(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    features = tuple(name for name in INPUT_FEATURES if name != "punctuation_share")
    write(engine, sample_of_reference(profile, 200), features=features)
    report, values = read(engine, make(engine, settings))
    assert values.keys() == {*profile.columns, JOINT_FEATURE} - {"punctuation_share"}
    assert report.verdict == "stable"


def test_reference_can_be_an_earlier_window(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    now = datetime.now(UTC)
    shouting = [
        row | {"upper_share": row["upper_share"] + 0.5} for row in sample_of_reference(profile, 300)
    ]
    write(engine, shouting[:200], scored_at=now - timedelta(hours=2))
    write(engine, shouting[200:], scored_at=now)
    request: dict[str, Any] = {
        "reference": ReferenceKind.WINDOW,
        "since": now - timedelta(hours=1),
        "reference_since": now - timedelta(hours=3),
    }
    report, values = read(engine, make(engine, settings, **request))
    # The texts differ from the profile, but not from those of two hours ago.
    assert report.verdict == "stable"
    assert (report.reference, report.window_rows, report.reference_rows) == ("window", 100, 200)
    assert report.reference_to is not None and report.window_from is not None
    assert report.reference_to < report.window_from
    assert sum(values["chars"].histogram["reference"]) == pytest.approx(1)
    assert read(engine, make(engine, settings, since=request["since"]))[0].verdict == "drift"


def test_reference_with_too_few_rows_is_too_little_data(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    write(engine, sample_of_reference(profile, 40))
    report, _ = read(engine, make(engine, settings, reference=ReferenceKind.WINDOW))
    assert report.verdict == "too_little_data"
    assert report.summary == (
        "0 predictions before the window, but at least 30 are needed as the reference"
    )


def test_window_can_be_a_number_of_predictions(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    write(engine, sample_of_reference(profile, 9), scored_at=datetime.now(UTC) - timedelta(days=9))
    assert read(engine, make(engine, settings, last=5))[0].window_rows == 5
    by_count = settings.model_copy(update={"drift_window_rows": 7})
    assert read(engine, make(engine, by_count))[0].window_rows == 7
    assert read(engine, make(engine, settings))[0].window_rows == 0


def test_by_source_makes_a_report_on_all_sources_and_on_each(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    shouting = [
        row | {"upper_share": row["upper_share"] + 0.5} for row in sample_of_reference(profile, 40)
    ]
    write(engine, sample_of_reference(profile, 60), source="mail")
    write(engine, shouting, source="shop")
    write(engine, sample_of_reference(profile, 5), source="rare")
    ids = make_reports(engine, settings, DriftReportRequest(by_source=True))
    reports = [read(engine, report_id)[0] for report_id in ids]
    assert [(r.source, r.window_rows) for r in reports] == [(None, 105), ("mail", 60), ("shop", 40)]
    assert [r.verdict for r in reports][1:] == ["stable", "drift"]
    assert {r.alpha for r in reports} == {settings.drift_alpha / 3}


def test_by_source_makes_one_report_if_there_is_one_source(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    write(engine, sample_of_reference(profile, 40), source="mail")
    make(engine, settings, by_source=True)


def accept_all(engine: Engine, source: str | None = None) -> int:
    """Accept the live predictions of the last hour; return the reference's number."""
    since = datetime.now(UTC) - timedelta(hours=1)
    with engine.begin() as connection:
        traffic = accepted_references.read_traffic(
            connection, model=MODEL, since=since, until=None, source=source
        )
        return accepted_references.accept(
            connection, traffic, model=MODEL, source=source, reason="new shop", accepted_by="ann"
        ).id


def shout(rows: list[Row], by: float = 0.5) -> list[Row]:
    return [row | {"upper_share": row["upper_share"] + by} for row in rows]


def test_accepted_traffic_is_the_reference_until_it_is_revoked(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    write(engine, shout(sample_of_reference(profile, 200)))
    before, _ = read(engine, make(engine, settings))
    assert (before.verdict, before.profile_verdict) == ("drift", "drift")
    accepted_id = accept_all(engine)
    accepted, _ = read(engine, make(engine, settings))
    assert (accepted.verdict, accepted.reference) == ("stable", "accepted")
    assert (accepted.accepted_id, accepted.reference_rows) == (accepted_id, 200)
    assert "accepted by ann: new shop" in accepted.summary
    # Somebody expects these texts, which does not make the model right about them.
    assert accepted.profile_verdict == "drift"
    assert not accepted.chosen_reference
    profiled, _ = read(engine, make(engine, settings, reference=ReferenceKind.PROFILE))
    assert (profiled.verdict, profiled.chosen_reference) == ("drift", True)
    with engine.begin() as connection:
        accepted_references.revoke(connection, accepted_id, reason="no", revoked_by="ann")
    assert read(engine, make(engine, settings))[0].reference == "profile"


def test_change_on_top_of_accepted_traffic_is_drift(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    write(engine, shout(sample_of_reference(profile, 200)))
    accept_all(engine)
    write(engine, shout(sample_of_reference(profile, 100, seed=6), by=0.9))
    report, _ = read(engine, make(engine, settings, last=150))
    assert (report.verdict, report.reference) == ("drift", "accepted")


def test_source_without_accepted_texts_is_compared_with_the_profile(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    write(engine, shout(sample_of_reference(profile, 60)), source="shop")
    write(engine, sample_of_reference(profile, 60), source="mail")
    accept_all(engine)
    write(engine, sample_of_reference(profile, 40), source="new")
    reports = [
        read(engine, report_id)[0]
        for report_id in make_reports(engine, settings, DriftReportRequest(by_source=True))
    ]
    assert {(report.source, report.reference, report.reference_rows) for report in reports} == {
        (None, "accepted", 120),
        ("shop", "accepted", 60),
        ("mail", "accepted", 60),
        ("new", "profile", profile.rows),
    }
    assert all(report.scheduled and not report.chosen_window for report in reports)


def test_requested_accepted_reference_that_is_missing_fails(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    write(engine, sample_of_reference(profile, 40))
    report, _ = read(engine, make(engine, settings, reference=ReferenceKind.ACCEPTED))
    assert (report.verdict, report.chosen_reference) == ("failed", True)
    assert report.summary.startswith(f"No traffic of {MODEL} is accepted as a reference")


def test_report_records_what_the_requester_chose(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    write(engine, sample_of_reference(profile, 40))
    plain, _ = read(engine, make(engine, settings))
    tiny, _ = read(engine, make(engine, settings, last=30))
    earlier, _ = read(engine, make(engine, settings, reference=ReferenceKind.WINDOW))
    default, _ = read(engine, make(engine, settings, reference=ReferenceKind.PROFILE))
    chosen = [
        (report.scheduled, report.chosen_window, report.chosen_reference)
        for report in (plain, tiny, earlier, default)
    ]
    assert chosen == [
        (False, False, False),
        (False, True, False),
        (False, False, True),
        (False, False, False),
    ]
    # The profile is compared as well, although the reference has too few texts.
    assert (earlier.verdict, earlier.profile_verdict) == ("too_little_data", "stable")


def test_profile_of_another_version_is_not_a_reference(
    engine: Engine, settings: Settings, profile: Profile, tmp_path: Path
) -> None:
    folder = write_artifact(tmp_path / "models", "sms-spam", "1.0.0")
    replace(profile, model="sms-spam/0.9.0").write(folder / "profile.json")
    manifest = Manifest.read(folder)
    replace(manifest, files=hashes(folder, list(manifest.files))).write(folder)
    settings = settings.model_copy(update={"models_dir": tmp_path / "models"})
    report, _ = read(engine, make(engine, settings))
    assert report.verdict == "failed"
    assert report.summary.startswith(
        "The drift reference of sms-spam/1.0.0 was made by sms-spam/0.9"
    )


def test_missing_profile_is_named_in_the_summary(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    folder = write_artifact(tmp_path / "models", "sms-spam", "1.0.0")
    (folder / "profile.json").unlink()
    settings = settings.model_copy(update={"models_dir": tmp_path / "models"})
    report, _ = read(engine, make(engine, settings))
    assert (report.verdict, report.window_rows) == ("failed", 0)
    assert "profile.json" in report.summary


def test_values_are_written_even_if_the_page_cannot_be(
    engine: Engine, settings: Settings, profile: Profile, caplog: pytest.LogCaptureFixture
) -> None:
    write(engine, sample_of_reference(profile, 40))
    settings.state_dir.write_text("a file instead of a folder")
    report, values = read(engine, make(engine, settings))
    assert (report.html_path, len(values)) == (None, 16)
    assert "the report has no HTML page" in caplog.text


def test_unreachable_database_raises_database_unavailable(settings: Settings) -> None:
    unreachable = connect("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
        make_reports(unreachable, settings, DriftReportRequest())


def test_task_writes_the_report_to_the_database(
    engine: Engine, database_url: str, broker_url: str, profile: Profile, tmp_path: Path
) -> None:
    write(engine, sample_of_reference(profile, 60), source="mail")
    publisher = Publisher(broker_url)
    with start_worker(
        database_url,
        broker_url,
        tmp_path,
        concurrency=1,
        queues=REPORT_QUEUE,
        options=("--max-tasks-per-child=1",),
    ) as report_worker:
        first = report_worker.children()
        publisher.send(DRIFT_TASK, {"since": "yesterday"}, REPORT_QUEUE)
        report_worker.wait_for_log(
            "the drift report failed: since is not an ISO 8601 time: 'yesterday'"
        )
        for task_id in ("one", "two"):
            publisher.send(DRIFT_TASK, {"source": "mail"}, REPORT_QUEUE, task_id=task_id)
        # Each report has a child of its own, which needs seconds of CPU time to import Evidently.
        reports = eventually(lambda: all_reports(engine, 2), timeout_s=180.0)
        assert {(r.task_id, r.verdict, r.window_rows) for r in reports} == {
            ("one", "stable", 60),
            ("two", "stable", 60),
        }
        for report in reports:
            assert report.html_path is not None
            assert Path(report.html_path).parent == tmp_path / ".plumbline" / "reports"
        # Evidently's memory is freed with the child, and the parent never loads it.
        assert eventually(lambda: report_worker.children() and report_worker.children() != first)
        assert "pandas" not in Path(f"/proc/{report_worker.process.pid}/maps").read_text()
    publisher.close()


def all_reports(engine: Engine, count: int) -> Sequence[Any]:
    """Return all reports once there are `count`, and none before."""
    with engine.connect() as connection:
        reports = drift.find_reports(connection)
    return reports if len(reports) >= count else []
