"""Quality reports on predictions and labels in a real PostgreSQL."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, text

from monitoring.quality.combined import Stratum, combined_metrics
from monitoring.quality.estimated import CalibrationErrors, WindowSums, estimated_metrics
from monitoring.quality.report import ReportCounts, make_reports
from plumbline.labels import parse_label
from plumbline.settings import Settings
from scoring.artifact.artifact import Artifact
from scoring.artifact.manifest import Manifest
from storage.jobs.labels import LabelEntry, add
from storage.jobs.retention import purge_predictions
from storage.reports import quality
from storage.reports.quality import LatestQuality, MetricValues, QualityWindow
from storage.serving import deployments
from storage.serving.deployments import VersionRecord
from storage.states import Metric, Sampling
from tests.paths import MODELS

MODEL, SHADOW = "sms-spam/1.0.0", "sms-spam/1.1.0"
NOON = datetime(2025, 5, 4, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SETTINGS = Settings(quality_window_s=86_400.0, models_dir=MODELS)

INSERT_JOBS = text("""
INSERT INTO plumbline.jobs (id, source, text_sha256, state)
VALUES (:job_id, :source, '', 'scored') ON CONFLICT DO NOTHING
""")
INSERT_PREDICTIONS = text("""
INSERT INTO plumbline.predictions
    (job_id, role, model, probability, label, confidence, decision, ranked, tokens, windows,
     window_rule, features, queue_ms, score_ms, scored_at)
VALUES (:job_id, :role, :model, :probability, '', 0.9, 'review', '[]', 9, 1, 'mean', '{}', 1, 1,
        :scored_at)
""")


@pytest.fixture
def serving(engine: Engine) -> Engine:
    with engine.begin() as connection:
        for model in (SHADOW, MODEL):
            # Only the content that is registered is loaded, for its calibration.
            sha256 = Manifest.read(MODELS / model).sha256 if model == MODEL else "aa"
            version = VersionRecord(model, sha256, {}, ("ham", "spam"))
            deployments.promote(connection, version, deployed_by="ann", reason="test")
        deployments.set_shadow(connection, SHADOW, deployed_by="ann", reason="test")
    return engine


def write(
    engine: Engine,
    probabilities: Sequence[float],
    *,
    scored_at: datetime = NOON,
    source: str = "mail",
    role: str = "live",
    model: str = MODEL,
    jobs: Sequence[uuid.UUID] = (),
) -> list[uuid.UUID]:
    """Write one prediction per probability; return the job ids, which are new by default."""
    ids = list(jobs) or [uuid.uuid4() for _ in probabilities]
    rows = [
        {
            "job_id": job_id,
            "source": source,
            "role": role,
            "model": model,
            "probability": probability,
            "scored_at": scored_at,
        }
        for job_id, probability in zip(ids, probabilities, strict=True)
    ]
    with engine.begin() as connection:
        connection.execute(INSERT_JOBS, rows)
        connection.execute(INSERT_PREDICTIONS, rows)
    return ids


def add_labels(
    engine: Engine,
    ids: Sequence[uuid.UUID],
    labels: str,
    by: str = "ann",
    sampling: Sampling | None = None,
) -> None:
    """`labels` has one character per job, 0 or 1."""
    with engine.begin() as connection:
        add(
            connection,
            [
                LabelEntry(job, label, by, sampling=sampling)
                for job, label in zip(ids, labels, strict=False)
            ],
            parse_label,
        )


def make(engine: Engine, now: datetime = NOON, task_id: str | None = None) -> ReportCounts:
    counts = make_reports(engine, SETTINGS, now=now, task_id=task_id)
    assert counts is not None
    return counts


def find_windows(engine: Engine, **conditions: Any) -> list[QualityWindow]:
    with engine.connect() as connection:
        return quality.find_windows(connection, **conditions)


def latest(engine: Engine, min_labels: int = 1) -> dict[tuple[str | None, str], LatestQuality]:
    with engine.connect() as connection:
        rows = quality.latest(connection, min_labels, max_sources=50)
    assert len({(row.source, row.metric) for row in rows}) == len(rows)
    return {(row.source, row.metric): row for row in rows}


def realized(report: QualityWindow) -> dict[str, float | None]:
    return {values.metric: values.realized for values in report.metrics}


def test_window_has_one_report_per_version_role_and_source(serving: Engine) -> None:
    jobs = write(serving, [0.9, 0.8, 0.2, 0.1])
    write(serving, [0.9, 0.4, 0.2, 0.1], role="shadow", model=SHADOW, jobs=jobs)
    write(serving, [0.99], source="chat")
    add_labels(serving, jobs, "1101")
    assert make(serving) == ReportCounts(windows=1, reports=5)
    live, shadow = find_windows(serving)
    assert (live.model, live.role, live.window_rows, live.labelled_rows) == (MODEL, "live", 5, 4)
    assert (shadow.model, shadow.role, shadow.window_rows) == (SHADOW, "shadow", 4)
    midnight = NOON.replace(hour=0)
    assert (live.window_from, live.window_to) == (midnight, midnight + DAY)
    assert live.positive_share == 0.6
    assert (live.calibration_rows, shadow.calibration_rows) == (718, None)
    assert realized(live) == {"accuracy": 0.75, "precision": 1.0, "recall": 2 / 3, "f1": 0.8}
    assert realized(shadow) == {"accuracy": 0.5, "precision": 1.0, "recall": 1 / 3, "f1": 0.5}
    mail = find_windows(serving, source="mail")
    assert [report.role for report in mail] == ["live", "shadow"]
    assert find_windows(serving, source="chat")[0].window_rows == 1
    assert find_windows(serving, source="nobody") == []


def test_sums_of_the_database_equal_those_of_numpy(serving: Engine) -> None:
    probabilities = np.random.default_rng(1).beta(0.2, 0.5, 300)
    write(serving, probabilities.tolist())
    make(serving)
    (report,) = find_windows(serving)
    artifact = Artifact.load(MODELS / MODEL)
    calibration = CalibrationErrors.of(artifact.profile(), artifact.manifest.metrics)
    assert calibration is not None
    expected = estimated_metrics(WindowSums.of(probabilities), calibration)
    for values in report.metrics:
        metric = expected[Metric(values.metric)]
        assert (values.estimated, values.estimated_low, values.estimated_high) == pytest.approx(
            (metric.value, metric.low, metric.high)
        )
        assert values.realized is values.realized_low is values.realized_high is None


def test_late_label_updates_its_window(serving: Engine) -> None:
    early = write(serving, [0.9, 0.1], scored_at=NOON - 5 * DAY)
    write(serving, [0.9], scored_at=NOON)
    assert make(serving).windows == 2
    assert make(serving) == ReportCounts(0, 0), "nothing has changed"
    add_labels(serving, early, "11")
    assert make(serving) == ReportCounts(windows=1, reports=2)
    assert labelled_accuracies(serving) == [0.5]
    add_labels(serving, early, "10", by="bob")
    make(serving)
    assert labelled_accuracies(serving) == [1.0], "the newest label of a job wins"


def labelled_accuracies(engine: Engine) -> list[float | None]:
    return [realized(report)["accuracy"] for report in find_windows(engine) if report.labelled_rows]


def test_new_prediction_updates_its_window(serving: Engine) -> None:
    now = datetime.now(UTC)
    write(serving, [0.9], scored_at=now)
    make(serving, now)
    write(serving, [0.1], scored_at=now)
    assert make(serving, now).windows == 1
    assert [report.window_rows for report in find_windows(serving)] == [2]


def test_windows_that_do_not_fit_into_a_run_are_left_to_the_next_newest_first(
    serving: Engine,
) -> None:
    for days in range(3):
        write(serving, [0.9], scored_at=NOON - days * DAY)
    midnight = NOON.replace(hour=0)
    assert make_reports(serving, SETTINGS, now=NOON, limit_s=0.0) == ReportCounts(0, 0)
    made = make_reports(serving, SETTINGS, now=NOON, task_id="a task", limit_s=0.0)
    assert made == ReportCounts(windows=1, reports=2), "the current window is made in any case"
    assert make(serving).windows == 2
    days = [midnight - days * DAY for days in range(3)]
    assert [report.window_from for report in find_windows(serving)] == days
    assert make(serving) == ReportCounts(0, 0)


def test_reports_stay_when_retention_deletes_their_predictions(serving: Engine) -> None:
    early = write(serving, [0.9, 0.1], scored_at=NOON - 5 * DAY)
    left = write(serving, [0.9], scored_at=NOON - 5 * DAY + timedelta(hours=1))
    make(serving)
    before = find_windows(serving)
    assert list(purge_predictions(serving, NOON - 5 * DAY + timedelta(minutes=1))) == [len(early)]
    add_labels(serving, left, "1")
    assert make(serving) == ReportCounts(windows=1, reports=0)
    assert find_windows(serving) == before


def test_a_clock_of_postgresql_that_was_ahead_hides_no_change(serving: Engine) -> None:
    now = datetime.now(UTC)
    write(serving, [0.9], scored_at=now)
    make(serving, now)
    with serving.begin() as connection:
        connection.execute(
            text("UPDATE plumbline.quality_reports SET refreshed_at = now() + '40d'")
        )
    write(serving, [0.1], scored_at=now)
    assert make(serving, now).windows == 1
    assert [report.window_rows for report in find_windows(serving)] == [2]


def test_midnight_belongs_to_the_day_that_it_starts(engine: Engine) -> None:
    midnight = NOON.replace(hour=0)
    write(engine, [0.9, 0.9], scored_at=midnight)
    write(engine, [0.9], scored_at=midnight - timedelta(microseconds=1))
    assert make(engine).windows == 2
    reports = [(report.window_from, report.window_rows) for report in find_windows(engine)]
    assert reports == [(midnight, 2), (midnight - DAY, 1)]


def test_requested_window_without_predictions_has_an_empty_report(engine: Engine) -> None:
    assert make(engine) == ReportCounts(0, 0)
    assert find_windows(engine) == []
    assert make(engine, task_id="requested") == ReportCounts(1, 1)
    (report,) = find_windows(engine, task_id="requested")
    assert (report.model, report.window_rows, report.positive_share) == ("sms-spam", 0, None)
    assert {values.estimated for values in report.metrics} == {None}
    assert {values.realized for values in report.metrics} == {None}
    assert latest(engine) == {}


def test_window_with_one_prediction_has_a_report(serving: Engine) -> None:
    (job,) = write(serving, [0.2])
    add_labels(serving, [job], "0")
    make(serving)
    (report,) = find_windows(serving)
    metrics = {values.metric: values for values in report.metrics}
    assert metrics["accuracy"].estimated == pytest.approx(0.8, abs=0.01)
    assert metrics["accuracy"].realized == 1.0
    assert metrics["precision"].estimated is metrics["precision"].realized is None
    assert metrics["recall"].estimated == 0.0 and metrics["recall"].realized is None


def test_estimates_of_a_version_without_files_are_not_corrected(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    write(engine, [0.9, 0.2], model="other/1.0.0")
    make(engine)
    (report,) = find_windows(engine, model="other/1.0.0")
    assert report.calibration_rows is None
    assert report.metrics[0].estimated == pytest.approx(0.85)
    assert caplog.text.count("estimates of other/1.0.0 are not corrected: There is no model") == 1


def test_reports_are_skipped_while_another_process_makes_them(engine: Engine) -> None:
    write(engine, [0.9])
    with engine.begin() as connection:
        assert quality.lock(connection, wait=False)
        assert make_reports(engine, SETTINGS, now=NOON) is None
    assert make(engine) == ReportCounts(1, 2)


def test_latest_quality_is_the_newest_estimate_and_the_newest_realized_metric(
    serving: Engine,
) -> None:
    now = datetime.now(UTC)
    old = write(serving, [0.9, 0.1], scored_at=now - 2 * DAY)
    write(serving, [0.8], scored_at=now)
    write(serving, [0.8], scored_at=now, model="gone/1.0.0")
    write(serving, [0.8], scored_at=now, role="shadow", model="gone/1.0.0")
    add_labels(serving, old, "10")
    make(serving, now)
    rows = latest(serving)
    assert len(rows) == 8, "versions that do not serve are left out"
    accuracy = rows[None, "accuracy"]
    assert accuracy.estimated == pytest.approx(0.8, abs=0.01)
    assert (accuracy.realized, accuracy.labelled_rows) == (1.0, 2)
    assert accuracy.realized_window_from is not None
    assert accuracy.realized_window_from < accuracy.window_from
    too_few = latest(serving, min_labels=3)[None, "accuracy"]
    assert (too_few.realized, too_few.labelled_rows) == (None, 0)


def test_reader_role_can_read_the_view_and_the_tables(serving: Engine) -> None:
    write(serving, [0.9])
    make(serving)
    with serving.begin() as connection:
        connection.execute(text("SET LOCAL ROLE plumbline_reader"))
        rows = connection.execute(
            text("SELECT metric, estimated FROM plumbline.quality WHERE source IS NULL")
        ).all()
        assert dict(rows)["accuracy"] == pytest.approx(0.9, abs=0.01)
        for table in ("quality_reports", "quality_values", "alerts", "alert_notices"):
            connection.execute(text(f"SELECT * FROM plumbline.{table}"))


def test_random_labels_of_a_source_are_combined_with_its_predictions(serving: Engine) -> None:
    mail = write(serving, [0.01] * 90)
    chat = write(serving, [0.99] * 10, source="chat")
    add_labels(serving, chat, "01" * 5, sampling=Sampling.RANDOM)
    add_labels(serving, mail[:20], "0" * 20, sampling=Sampling.UNCERTAIN)
    make(serving)
    (everything,) = find_windows(serving)
    (of_mail,), (of_chat,) = (
        find_windows(serving, source="mail"),
        find_windows(serving, source="chat"),
    )
    assert (everything.labelled_rows, everything.random_rows) == (30, 10)
    assert (everything.labelled_sources, everything.labelled_share) == (["mail", "chat"], 1.0)
    assert everything.combined_share == 0.1, "labels of mail were not drawn at random"
    assert realized(everything)["accuracy"] == pytest.approx(0.9 * 1.0 + 0.1 * 0.5)
    assert accuracy(of_mail).combined is None and of_mail.random_rows == 0
    assert accuracy(of_chat).combined == accuracy(everything).combined == 0.5
    assert accuracy(of_chat).combined_low == 0.5, "all of its texts have labels"


def test_sums_of_random_labels_equal_those_of_numpy(serving: Engine) -> None:
    random = np.random.default_rng(4)
    probabilities, labelled = random.beta(0.3, 0.5, 200), np.arange(200) < 60
    errors = random.random(200) < 0.2
    labels = "".join(
        "01"[bool((p >= 0.5) != error)] for p, error in zip(probabilities, errors, strict=True)
    )
    jobs = write(serving, probabilities.tolist())
    add_labels(serving, jobs[:60], labels, sampling=Sampling.RANDOM)
    make(serving)
    (report,) = find_windows(serving)
    expected = combined_metrics([Stratum.of(probabilities, errors, labelled)])
    for values in report.metrics:
        metric = expected[Metric(values.metric)]
        assert (values.combined, values.combined_low, values.combined_high) == pytest.approx(
            (metric.value, metric.low, metric.high)
        )


def accuracy(report: QualityWindow) -> MetricValues:
    return next(values for values in report.metrics if values.metric == "accuracy")
