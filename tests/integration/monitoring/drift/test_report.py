"""Drift reports on real predictions in a real PostgreSQL, through Evidently."""

from __future__ import annotations

import hashlib
import json
import random
import re
import subprocess
import sys
import uuid
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from monitoring.drift.report import make_reports
from monitoring.drift.request import ReferenceKind, ReportRequest
from monitoring.drift.scores import Thresholds
from monitoring.drift.verdict import JOINT, METHODS
from monitoring.drift.window import Columns
from plumbline.queues import DRIFT_TASK, REPORT_QUEUE
from plumbline.settings import Settings
from plumbline_client.broker import Publisher
from plumbline_client.errors import DatabaseUnavailable
from scoring.artifact.artifact import Artifact
from scoring.artifact.manifest import Manifest, hashes
from scoring.artifact.profile import Profile
from scoring.input.features import INPUT_FEATURES
from storage.database import connect
from storage.reports import drift
from storage.reports.drift import Window
from storage.serving import deployments
from storage.tables import DriftReport, DriftValue
from tests.artifacts import write_artifact
from tests.paths import CHECKOUT
from tests.waiting import eventually
from tests.workers import MODELS, worker

MODEL = "sms-spam/1.0.0"
Row = dict[str, Any]

INSERT_JOBS = text("""
INSERT INTO plumbline.jobs (id, source, text_sha256, state)
VALUES (:job_id, :source, :sha256, 'scored')
""")
INSERT_PREDICTIONS = text("""
INSERT INTO plumbline.predictions
    (job_id, role, model, probability, label, confidence, decision, ranked, tokens, windows,
     window_rule, features, queue_ms, score_ms, scored_at)
VALUES (:job_id, :role, :model, :probability, 'ham', :confidence, :decision, '[]', 9, 1,
        'mean', CAST(:features AS jsonb), 1, 1, :scored_at)
""")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path / "state", models_dir=MODELS)


@pytest.fixture(scope="module")
def profile() -> Profile:
    return Artifact.load(MODELS / MODEL).profile()


def like_reference(profile: Profile, count: int, seed: int = 5) -> list[Row]:
    """Predictions that could have been the reference's own, drawn with replacement."""
    draw = random.Random(seed)
    rows = [draw.randrange(profile.rows) for _ in range(count)]
    return [{name: values[row] for name, values in profile.columns.items()} for row in rows]


def write(
    engine: Engine,
    rows: Iterable[Row],
    *,
    source: str = "default",
    model: str = MODEL,
    role: str = "live",
    scored_at: datetime | None = None,
    known: tuple[str, ...] = INPUT_FEATURES,
) -> None:
    newest = scored_at or datetime.now(UTC)
    jobs = [
        {
            "job_id": uuid.uuid4(),
            "source": source,
            "sha256": hashlib.sha256(b"").digest(),
            "role": role,
            "model": model,
            "probability": row["probability"],
            "confidence": row["confidence"],
            "decision": row["decision"],
            "features": json.dumps({name: row[name] for name in known}),
            "scored_at": newest - timedelta(milliseconds=position),
        }
        for position, row in enumerate(rows)
    ]
    with engine.begin() as connection:
        connection.execute(INSERT_JOBS, jobs)
        connection.execute(INSERT_PREDICTIONS, jobs)


def make(engine: Engine, settings: Settings, **asked: Any) -> int:
    """The one report that was asked for."""
    (report_id,) = make_reports(engine, settings, ReportRequest(**asked))
    return report_id


def read(engine: Engine, report_id: int) -> tuple[DriftReport, dict[str, DriftValue]]:
    with engine.connect() as connection:
        found = drift.report(connection, report_id)
    assert found is not None
    return found[0], {value.feature: value for value in found[1]}


def test_where_nothing_changed_the_report_is_stable_and_whole(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    write(engine, like_reference(profile, 400))
    report, values = read(engine, make(engine, settings, task_id="asked"))
    assert report.verdict == "stable"
    assert report.summary.startswith("none of 15 columns drifted; the nearest was ")
    assert (report.reference, report.alpha) == ("profile", settings.drift_alpha)
    assert (report.model, report.source, report.task_id) == (MODEL, None, "asked")
    assert (report.window_rows, report.reference_rows) == (400, profile.rows)
    assert report.window_from is not None and report.window_to is not None
    assert report.window_to - report.window_from == timedelta(milliseconds=399)
    assert report.took_ms > 0
    assert values.keys() == {*profile.columns, JOINT}
    assert values[JOINT].histogram == {}
    columns = {name: value for name, value in values.items() if name != JOINT}
    assert len({value.threshold for value in columns.values()}) == 1
    for name, value in values.items():
        assert value.method == METHODS[name]
        assert not value.drifted and 0 <= value.value <= value.threshold
    for value in columns.values():
        assert sum(value.histogram["window"]) == pytest.approx(1)
        assert sum(value.histogram["reference"]) == pytest.approx(1)
    assert values["chars"].histogram["edges"] == profile.histograms["chars"].edges
    assert values["decision"].histogram["labels"] == sorted(set(profile.columns["decision"]))


def test_the_page_is_evidentlys_and_loads_nothing_from_elsewhere(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    write(engine, like_reference(profile, 50))
    report, _ = read(engine, make(engine, settings))
    assert report.html_path is not None
    page = Path(report.html_path)
    assert page.is_absolute()
    assert list(settings.reports_dir.iterdir()) == [page]
    html = page.read_text(encoding="utf-8")
    for name in profile.columns:
        assert name in html
    assert "All columns together: distance from the reference in standard errors" in html
    assert re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=.?https?:", html) == []


def test_a_changed_column_is_drift_and_is_named(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    rows = like_reference(profile, 300)
    write(engine, [row | {"upper_share": min(1.0, row["upper_share"] + 0.25)} for row in rows])
    report, values = read(engine, make(engine, settings))
    assert report.verdict == "drift"
    assert re.fullmatch(
        r"1 of 15 columns drifted, most of all upper_share "
        r"\(\d+, drift above [\d.]+; mean 0\.3\d, was 0\.0\d+\)",
        report.summary,
    )
    assert {name for name, value in values.items() if value.drifted} == {"upper_share", JOINT}


def test_more_decisions_for_review_are_drift(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    rows = like_reference(profile, 300)
    write(engine, [r | ({"decision": "review"} if n % 5 == 0 else {}) for n, r in enumerate(rows)])
    report, values = read(engine, make(engine, settings))
    # What one column shows alone may be too little for all of them together.
    assert {name for name, value in values.items() if value.drifted} - {JOINT} == {"decision"}
    was = profile.columns["decision"].count("review") / profile.rows
    assert f"20.0% review, was {was:.1%})" in report.summary


@pytest.mark.parametrize("rows", [0, 29])
def test_too_few_predictions_are_counted_and_not_judged(
    engine: Engine, settings: Settings, profile: Profile, rows: int
) -> None:
    if rows:
        write(engine, like_reference(profile, rows))
    report, values = read(engine, make(engine, settings))
    assert report.verdict == "too_little_data"
    assert report.summary == f"{rows} predictions in the window, and 30 are needed to judge"
    assert (report.window_rows, report.html_path, values) == (rows, None, {})
    assert (report.window_from is None) == (rows == 0)


def test_the_window_holds_the_live_models_own_recent_predictions(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    now = datetime.now(UTC)
    rows = like_reference(profile, 3)
    write(engine, rows)
    write(engine, rows, role="shadow")
    write(engine, rows, model="sms-spam/0.9.0")
    write(engine, rows, scored_at=now - timedelta(days=2))
    report, _ = read(engine, make(engine, settings))
    assert report.window_rows == 3
    # A time without a zone is UTC.
    earlier = (now - timedelta(days=3)).replace(tzinfo=None)
    report, _ = read(engine, make(engine, settings, since=earlier))
    assert report.window_rows == 6


def test_the_window_is_of_one_source_where_one_is_named(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    write(engine, like_reference(profile, 4), source="billing")
    write(engine, like_reference(profile, 5), source="mail")
    report, _ = read(engine, make(engine, settings, source="mail"))
    assert (report.source, report.window_rows) == ("mail", 5)
    assert read(engine, make(engine, settings, source="nobody"))[0].window_rows == 0


def test_the_window_holds_the_newest_in_the_order_they_were_scored(
    engine: Engine, profile: Profile
) -> None:
    rows = [row | {"probability": n / 10} for n, row in enumerate(like_reference(profile, 10))]
    write(engine, rows)
    with engine.connect() as connection:
        found = drift.observed(connection, Window(MODEL, limit=4))
    # `write` makes the first row the newest.
    assert [row.probability for row in found] == [0.3, 0.2, 0.1, 0.0]


def test_the_version_that_was_promoted_is_judged(
    engine: Engine, settings: Settings, profile: Profile, tmp_path: Path
) -> None:
    write(engine, like_reference(profile, 40))
    with engine.begin() as connection:
        deployments.promote(
            connection, "other/2.0.0", manifest_sha256="", metrics={}, deployed_by="t", reason="t"
        )
    report, values = read(engine, make(engine, settings, task_id="asked"))
    assert (report.model, report.verdict, report.task_id) == ("other/2.0.0", "failed", "asked")
    assert report.summary.startswith("There is no model other/2.0.0")
    assert values == {}


IDENTICAL = {"chars": 20.0, "words": 4.0, "tokens": 4.0, "unknown_share": 0.0}


def test_one_text_over_and_over_is_told_with_a_value_for_every_column(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    one = like_reference(profile, 1)[0] | IDENTICAL | {"decision": "review"}
    write(engine, [one] * 60)
    report, values = read(engine, make(engine, settings))
    assert report.verdict == "drift"
    assert len(values) == 16
    assert report.html_path is not None


def test_a_feature_an_earlier_release_did_not_keep_is_left_out(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    known = tuple(name for name in INPUT_FEATURES if name != "punctuation_share")
    write(engine, like_reference(profile, 200), known=known)
    report, values = read(engine, make(engine, settings))
    assert values.keys() == {*profile.columns, JOINT} - {"punctuation_share"}
    assert report.verdict == "stable"


def test_the_reference_may_be_an_earlier_window(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    now = datetime.now(UTC)
    loud = [row | {"upper_share": row["upper_share"] + 0.5} for row in like_reference(profile, 300)]
    write(engine, loud[:200], scored_at=now - timedelta(hours=2))
    write(engine, loud[200:], scored_at=now)
    asked: dict[str, Any] = {
        "reference": ReferenceKind.WINDOW,
        "since": now - timedelta(hours=1),
        "reference_since": now - timedelta(hours=3),
    }
    report, values = read(engine, make(engine, settings, **asked))
    # Against the profile it would be drift; against the same senders two hours ago nothing is new.
    assert report.verdict == "stable"
    assert (report.reference, report.window_rows, report.reference_rows) == ("window", 100, 200)
    assert report.reference_to is not None and report.window_from is not None
    assert report.reference_to < report.window_from
    assert sum(values["chars"].histogram["reference"]) == pytest.approx(1)
    assert read(engine, make(engine, settings, since=asked["since"]))[0].verdict == "drift"


def test_too_little_to_compare_with_is_told(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    write(engine, like_reference(profile, 40))
    report, _ = read(engine, make(engine, settings, reference=ReferenceKind.WINDOW))
    assert report.verdict == "too_little_data"
    assert report.summary == "0 predictions before the window, and 30 are needed to compare with"


def test_a_window_may_be_of_a_number_of_predictions(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    write(engine, like_reference(profile, 9), scored_at=datetime.now(UTC) - timedelta(days=9))
    assert read(engine, make(engine, settings, last=5))[0].window_rows == 5
    by_count = settings.model_copy(update={"drift_window_rows": 7})
    assert read(engine, make(engine, by_count))[0].window_rows == 7
    assert read(engine, make(engine, settings))[0].window_rows == 0


def test_by_source_there_is_a_report_of_each_and_of_all(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    loud = [row | {"upper_share": row["upper_share"] + 0.5} for row in like_reference(profile, 40)]
    write(engine, like_reference(profile, 60), source="mail")
    write(engine, loud, source="shop")
    write(engine, like_reference(profile, 5), source="rare")
    made = make_reports(engine, settings, ReportRequest(by_source=True))
    reports = [read(engine, report_id)[0] for report_id in made]
    assert [(r.source, r.window_rows) for r in reports] == [(None, 105), ("mail", 60), ("shop", 40)]
    assert [r.verdict for r in reports][1:] == ["stable", "drift"]
    assert {r.alpha for r in reports} == {settings.drift_alpha / 3}


def test_one_source_alone_needs_no_second_report(
    engine: Engine, settings: Settings, profile: Profile
) -> None:
    write(engine, like_reference(profile, 40), source="mail")
    make(engine, settings, by_source=True)


def test_the_profile_of_another_version_is_no_reference(
    engine: Engine, settings: Settings, profile: Profile, tmp_path: Path
) -> None:
    folder = write_artifact(tmp_path / "models", "sms-spam", "1.0.0")
    replace(profile, model="sms-spam/0.9.0").write(folder / "profile.json")
    manifest = Manifest.read(folder)
    replace(manifest, files=hashes(folder, list(manifest.files))).write(folder)
    moved = settings.model_copy(update={"models_dir": tmp_path / "models"})
    report, _ = read(engine, make(engine, moved))
    assert report.verdict == "failed"
    assert report.summary.startswith("The drift reference of sms-spam/1.0.0 is one of sms-spam/0.9")


def test_a_missing_profile_is_told(engine: Engine, settings: Settings, tmp_path: Path) -> None:
    folder = write_artifact(tmp_path / "models", "sms-spam", "1.0.0")
    (folder / "profile.json").unlink()
    moved = settings.model_copy(update={"models_dir": tmp_path / "models"})
    report, _ = read(engine, make(engine, moved))
    assert (report.verdict, report.window_rows) == ("failed", 0)
    assert "profile.json" in report.summary


def test_evidently_measures_the_distance_that_was_calibrated(profile: Profile) -> None:
    from monitoring.drift.comparison import Comparison
    from monitoring.drift.scores import Samples

    window: Columns = {name: values[:300] for name, values in profile.columns.items()}
    shift = Samples(profile.columns, window).shift()
    findings = Comparison(profile.columns, window, Thresholds(7.0, 4.0)).findings()
    assert {f.feature: f.value for f in findings} == pytest.approx(
        {JOINT: shift.joint} | shift.columns, rel=1e-4, abs=1e-4
    )
    assert {f.feature: f.threshold for f in findings} == {JOINT: 7.0} | dict.fromkeys(window, 4.0)


def test_a_page_that_cannot_be_written_costs_no_value(
    engine: Engine, settings: Settings, profile: Profile, caplog: pytest.LogCaptureFixture
) -> None:
    write(engine, like_reference(profile, 40))
    settings.state_dir.write_text("a file where the folder should be")
    report, values = read(engine, make(engine, settings))
    assert (report.html_path, len(values)) == (None, 16)
    assert "the report has no HTML page" in caplog.text


def test_a_database_that_is_away_is_one_sentence(settings: Settings) -> None:
    nobody = connect("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
        make_reports(nobody, settings, ReportRequest())


NO_NETWORK = """
import sys

def refuse(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise SystemExit(f"{event} {args}")

sys.addaudithook(refuse)
from monitoring.drift.comparison import Comparison
from monitoring.drift.scores import Thresholds
columns = {"chars": [1.0, 2.0, 3.0], "decision": ["negative", "review", "review"]}
print(len(Comparison(columns, columns, Thresholds(7.0, 4.0)).html()))
print("evidently.telemetry" in sys.modules)
"""


def test_evidently_reaches_for_no_network() -> None:
    run = subprocess.run(
        [sys.executable, "-c", NO_NETWORK],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    size, telemetry = run.stdout.split()
    assert int(size) > 100_000
    assert telemetry == "False"


def test_a_report_asked_for_through_the_queue_lands_in_the_database(
    engine: Engine, database_url: str, broker_url: str, profile: Profile, tmp_path: Path
) -> None:
    write(engine, like_reference(profile, 60), source="mail")
    publisher = Publisher(broker_url)
    with worker(
        database_url,
        broker_url,
        tmp_path,
        concurrency=1,
        queues=REPORT_QUEUE,
        options=("--max-tasks-per-child=1",),
    ) as reporter:
        first = reporter.children()
        publisher.send(DRIFT_TASK, {"since": "yesterday"}, REPORT_QUEUE)
        reporter.until_logged("no drift report is made: since is no ISO 8601 time: 'yesterday'")
        for task_id in ("one", "two"):
            publisher.send(DRIFT_TASK, {"source": "mail"}, REPORT_QUEUE, task_id=task_id)
        reports = eventually(lambda: made(engine, 2))
        assert {(r.task_id, r.verdict, r.window_rows) for r in reports} == {
            ("one", "stable", 60),
            ("two", "stable", 60),
        }
        for report in reports:
            assert report.html_path is not None
            assert Path(report.html_path).parent == tmp_path / ".plumbline" / "reports"
        # The memory of a report goes with its child, and the parent never had it.
        assert eventually(lambda: reporter.children() and reporter.children() != first)
        assert "pandas" not in Path(f"/proc/{reporter.process.pid}/maps").read_text()
    publisher.close()


def made(engine: Engine, count: int) -> list[DriftReport]:
    """All reports once there are `count`, else none."""
    with engine.connect() as connection:
        found = drift.reports(connection)
    return found if len(found) >= count else []
