"""Quality reports and labels in SQL, on a real PostgreSQL."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from monitoring.quality.estimated import Calibration, Expected, estimate
from monitoring.quality.report import Made, make_reports
from plumbline.settings import Settings
from plumbline_client.identity import keyed_id
from scoring.artifact.artifact import Artifact
from storage.jobs.labels import Entry, add
from storage.reports import quality
from storage.reports.quality import QualityRow, Report
from storage.serving import deployments
from storage.tables import Metric
from tests.workers import MODELS

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
            deployments.promote(
                connection,
                model,
                manifest_sha256="aa",
                metrics={},
                deployed_by="ann",
                reason="test",
                labels=("ham", "spam"),
            )
        connection.execute(
            text(
                "INSERT INTO plumbline.deployments (model, shadow, action, deployed_by, reason) "
                f"VALUES ('{MODEL}', '{SHADOW}', 'shadow', 'ann', 'test')"
            )
        )
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


def say(engine: Engine, ids: Sequence[uuid.UUID], labels: str, by: str = "ann") -> None:
    """`labels` has a 0 or 1 for each of `ids`."""
    with engine.begin() as connection:
        add(connection, [Entry(i, said, by) for i, said in zip(ids, labels, strict=False)])


def make(engine: Engine, now: datetime = NOON, task_id: str | None = None) -> Made:
    made = make_reports(engine, SETTINGS, now=now, task_id=task_id)
    assert made is not None
    return made


def reports(engine: Engine, **wanted: Any) -> list[Report]:
    with engine.connect() as connection:
        return quality.reports(connection, **wanted)


def latest(engine: Engine, min_labels: int = 1) -> list[QualityRow]:
    with engine.connect() as connection:
        return quality.latest(connection, min_labels)


def test_a_window_has_one_row_a_version_role_and_source(serving: Engine) -> None:
    jobs = write(serving, [0.9, 0.8, 0.2, 0.1])
    write(serving, [0.9, 0.4, 0.2, 0.1], role="shadow", model=SHADOW, jobs=jobs)
    write(serving, [0.99], source="chat")
    say(serving, jobs, "1101")
    assert make(serving) == Made(windows=1, reports=5)
    whole, shadow = reports(serving)
    assert (whole.model, whole.role, whole.window_rows, whole.labelled_rows) == (
        MODEL, "live", 5, 4,
    )  # fmt: skip
    assert (shadow.model, shadow.role, shadow.window_rows) == (SHADOW, "shadow", 4)
    assert (whole.window_from, whole.window_to) == (
        NOON.replace(hour=0), NOON.replace(hour=0) + DAY,
    )  # fmt: skip
    assert whole.positive_share == 0.6 and (whole.calibration_rows, shadow.calibration_rows) == (
        718,
        None,
    )
    assert realized(whole) == {"accuracy": 0.75, "precision": 1.0, "recall": 2 / 3, "f1": 0.8}
    assert realized(shadow) == {"accuracy": 0.5, "precision": 1.0, "recall": 1 / 3, "f1": 0.5}
    mail = reports(serving, source="mail")
    assert [row.role for row in mail] == ["live", "shadow"]
    assert reports(serving, source="chat")[0].window_rows == 1
    assert reports(serving, source="nobody") == []


def realized(report: Report) -> dict[str, float | None]:
    return {measure.metric: measure.realized for measure in report.measures}


def test_the_sums_of_the_database_are_those_of_numpy(serving: Engine) -> None:
    probabilities = np.random.default_rng(1).beta(0.2, 0.5, 300)
    write(serving, probabilities.tolist())
    make(serving)
    (report,) = reports(serving)
    artifact = Artifact.load(MODELS / MODEL)
    calibration = Calibration.of(artifact.profile(), artifact.manifest.metrics)
    assert calibration is not None
    wanted = estimate(Expected.of(probabilities), calibration)
    for measure in report.measures:
        value = wanted[Metric(measure.metric)]
        assert (measure.estimated, measure.estimated_low, measure.estimated_high) == pytest.approx(
            (value.value, value.low, value.high)
        )
        assert measure.realized is measure.realized_low is measure.realized_high is None


def test_a_label_that_comes_late_finds_its_window(serving: Engine) -> None:
    early = write(serving, [0.9, 0.1], scored_at=NOON - 5 * DAY)
    write(serving, [0.9], scored_at=NOON)
    assert make(serving).windows == 2
    assert make(serving) == Made(0, 0), "nothing changed"
    say(serving, early, "11")
    assert make(serving) == Made(windows=1, reports=2)
    found = [r for r in reports(serving) if r.labelled_rows]
    assert [realized(report)["accuracy"] for report in found] == [0.5]
    say(serving, early, "10", by="bob")
    make(serving)
    found = [r for r in reports(serving) if r.labelled_rows]
    assert [realized(report)["accuracy"] for report in found] == [1.0], "who spoke last"


def test_a_new_prediction_refreshes_its_window(serving: Engine) -> None:
    now = datetime.now(UTC)
    write(serving, [0.9], scored_at=now)
    make(serving, now)
    write(serving, [0.1], scored_at=now)
    assert make(serving, now).windows == 1
    assert [report.window_rows for report in reports(serving)] == [2]


def test_midnight_belongs_to_the_day_it_begins(engine: Engine) -> None:
    midnight = NOON.replace(hour=0)
    write(engine, [0.9, 0.9], scored_at=midnight)
    write(engine, [0.9], scored_at=midnight - timedelta(microseconds=1))
    assert make(engine).windows == 2
    found = [(report.window_from, report.window_rows) for report in reports(engine)]
    assert found == [(midnight, 2), (midnight - DAY, 1)]


def test_an_empty_window_that_was_asked_for_says_so(engine: Engine) -> None:
    assert make(engine) == Made(0, 0)
    assert reports(engine) == []
    assert make(engine, task_id="asked") == Made(1, 1)
    (report,) = reports(engine, task_id="asked")
    assert (report.model, report.window_rows, report.positive_share) == ("sms-spam", 0, None)
    assert {m.estimated for m in report.measures} | {m.realized for m in report.measures} == {None}
    assert latest(engine) == []


def test_one_row_is_a_report(serving: Engine) -> None:
    (job,) = write(serving, [0.2])
    say(serving, [job], "0")
    make(serving)
    (report,) = reports(serving)
    measures = {measure.metric: measure for measure in report.measures}
    assert measures["accuracy"].estimated == pytest.approx(0.8, abs=0.01)
    assert measures["accuracy"].realized == 1.0
    assert measures["precision"].estimated is measures["precision"].realized is None
    assert measures["recall"].estimated == 0.0 and measures["recall"].realized is None


def test_a_version_whose_files_are_gone_has_an_interval_of_chance_alone(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    write(engine, [0.9, 0.2], model="other/1.0.0")
    make(engine)
    (report,) = reports(engine, model="other/1.0.0")
    assert report.calibration_rows is None
    assert report.measures[0].estimated == pytest.approx(0.85)
    assert caplog.text.count("estimates of other/1.0.0 are not corrected: There is no model") == 1


def test_two_at_once_make_the_reports_once(engine: Engine) -> None:
    write(engine, [0.9])
    with engine.begin() as connection:
        assert quality.lock(connection, wait=False)
        assert make_reports(engine, SETTINGS, now=NOON) is None
    assert make(engine) == Made(1, 2)


def test_the_latest_is_the_newest_estimate_and_the_newest_truth(serving: Engine) -> None:
    now = datetime.now(UTC)
    old = write(serving, [0.9, 0.1], scored_at=now - 2 * DAY)
    write(serving, [0.8], scored_at=now)
    write(serving, [0.8], scored_at=now, model="gone/1.0.0")
    write(serving, [0.8], scored_at=now, role="shadow", model="gone/1.0.0")
    say(serving, old, "10")
    make(serving, now)
    found = {(row.source, row.metric): row for row in latest(serving)}
    assert len(found) == 8, "versions that do not serve are left out"
    accuracy = found[None, "accuracy"]
    assert accuracy.estimated == pytest.approx(0.8, abs=0.01)
    assert (accuracy.realized, accuracy.labelled) == (1.0, 2)
    assert accuracy.realized_window_from is not None
    assert accuracy.realized_window_from < accuracy.window_from
    few = {(row.source, row.metric): row for row in latest(serving, min_labels=3)}
    assert (few[None, "accuracy"].realized, few[None, "accuracy"].labelled) == (None, 0)


def test_an_analyst_reads_the_view(serving: Engine) -> None:
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


LABEL = text(
    "SELECT plumbline.label_v1(job => :job, label => :label, said_by => :by, key => :key, "
    "source => :source)"
)


def label(connection: Connection, **given: Any) -> str:
    defaults = {"job": None, "label": "1", "by": "ann", "key": None, "source": "default"}
    word: str = connection.execute(LABEL, defaults | given).scalar_one()
    return word


def test_a_label_in_sql_answers_in_one_word(serving: Engine) -> None:
    one, two = write(serving, [0.9, 0.1])
    with serving.begin() as connection:
        assert label(connection, job=one, label="spam") == "accepted"
        assert label(connection, job=one, label="1") == "known"
        assert label(connection, job=one, label="ham") == "changed"
        assert label(connection, job=two, label="1", by="bob") == "accepted"
        assert label(connection, job=two, label="Spam") == "unusable"
        assert label(connection, job=two, label=None) == "unusable"
        assert label(connection, job=uuid.uuid4()) == "unknown_job"
        assert label(connection, key="nobody's") == "unknown_job"
    make(serving)
    assert realized(reports(serving)[0])["accuracy"] == 0.0


def test_a_label_in_sql_finds_its_job_by_key(serving: Engine) -> None:
    job = keyed_id("mail", "k-1")
    write(serving, [0.9], jobs=[job])
    with serving.begin() as connection:
        assert label(connection, key="k-1", source="mail") == "accepted"
        assert label(connection, key="k-1") == "unknown_job", "another source's key"
        told = connection.execute(text("SELECT job_id, source, label FROM plumbline.labels"))
        assert told.all() == [(job, "ann", 1)]


def test_a_label_in_sql_is_by_whoever_is_logged_in(serving: Engine) -> None:
    (job,) = write(serving, [0.9])
    with serving.begin() as connection:
        user = connection.execute(text("SELECT session_user::text")).scalar_one()
        connection.execute(text("SET LOCAL ROLE plumbline_producer"))
        assert label(connection, job=job, by=None) == "accepted"
        connection.execute(text("RESET ROLE"))
        told = connection.execute(text("SELECT source FROM plumbline.labels")).scalar_one()
        assert told == user


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "the job is named by job, or by key and source"),
        ({"job": uuid.uuid4(), "key": "k"}, "the job is named by job, or by key and source"),
        ({"key": ""}, "the key is empty"),
        ({"key": "k", "source": ""}, "the source is empty"),
        ({"key": "k", "source": None}, "the source is NULL"),
        ({"job": uuid.uuid4(), "by": ""}, "said_by is empty"),
        ({"key": "k" * 501}, "the key has 501 characters, and at most 500 are accepted"),
    ],
)
def test_a_call_that_names_nobody_is_an_error(
    engine: Engine, given: dict[str, Any], says: str
) -> None:
    with pytest.raises(DBAPIError) as refused, engine.begin() as connection:
        label(connection, **given)
    assert f"The label is not taken: {says}." in str(refused.value.orig)
    assert refused.value.orig.sqlstate == "22023"  # type: ignore[union-attr]


def test_strangers_may_not_label(engine: Engine) -> None:
    with pytest.raises(DBAPIError, match="permission denied"), engine.begin() as connection:
        connection.execute(text("SET LOCAL ROLE plumbline_reader"))
        label(connection, job=uuid.uuid4())
