"""Quality reports and the counts they are made from, on a real PostgreSQL."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from plumbline.labels import parse_label
from storage.jobs.labels import LabelEntry, add
from storage.reports import quality, quality_counts
from storage.reports.quality import MetricValues, QualityWindow
from storage.reports.quality_counts import WindowCounts
from storage.serving import deployments
from storage.serving.deployments import VersionRecord
from storage.states import Sampling

MODEL = "m/1.0.0"
DAY = timedelta(days=1)
DAY_S = DAY.total_seconds()
MIDNIGHT = datetime(2025, 5, 4, tzinfo=UTC)

INSERT_JOB = text("""
INSERT INTO plumbline.jobs (id, source, text_sha256, state) VALUES (:job_id, :source, '', 'scored')
""")
INSERT_PREDICTION = text("""
INSERT INTO plumbline.predictions
    (job_id, role, model, probability, label, confidence, decision, ranked, tokens, windows,
     window_rule, features, queue_ms, score_ms, scored_at)
VALUES (:job_id, 'live', :model, :probability, '', 0.9, 'review', '[]', 9, 1, 'mean', '{}', 1, 1,
        :scored_at)
""")


def add_prediction(
    engine: Engine, probability: float, scored_at: datetime, source: str = "mail"
) -> uuid.UUID:
    row = {
        "job_id": uuid.uuid4(),
        "source": source,
        "model": MODEL,
        "probability": probability,
        "scored_at": scored_at,
    }
    with engine.begin() as connection:
        connection.execute(INSERT_JOB, row)
        connection.execute(INSERT_PREDICTION, row)
    return row["job_id"]  # type: ignore[return-value]


def add_label(
    engine: Engine,
    job: uuid.UUID,
    label: str,
    by: str = "ann",
    sampling: Sampling | None = None,
) -> None:
    with engine.begin() as connection:
        add(connection, [LabelEntry(job, label, by, sampling)], parse_label)


def promote(engine: Engine) -> None:
    with engine.begin() as connection:
        version = VersionRecord(MODEL, "", {}, ("ham", "spam"))
        deployments.promote(connection, version, deployed_by="ann", reason="test")


def window(window_from: datetime = MIDNIGHT, **fields: Any) -> QualityWindow:
    defaults: dict[str, Any] = {
        "model": MODEL,
        "role": "live",
        "source": None,
        "window_from": window_from,
        "window_to": window_from + DAY,
        "window_rows": 2,
        "labelled_rows": 1,
        "positive_share": 0.5,
        "calibration_rows": None,
        "metrics": [MetricValues("accuracy", 0.75, 0.5, 0.875, 1.0, 0.25, 1.0)],
    }
    return QualityWindow(**defaults | fields)


def write(engine: Engine, *windows: QualityWindow, task_id: str | None = None) -> None:
    with engine.begin() as connection:
        quality.write(connection, windows, task_id)


def find_windows(engine: Engine, **conditions: Any) -> list[QualityWindow]:
    with engine.connect() as connection:
        return quality.find_windows(connection, **conditions)


def changed(engine: Engine) -> list[datetime]:
    """Return the windows to report on: those that changed, and those without a report."""
    with engine.connect() as connection:
        return sorted(
            {
                *quality_counts.changed_windows(connection, DAY_S),
                *quality_counts.unreported_windows(connection, DAY_S),
            }
        )


def count(engine: Engine) -> Sequence[WindowCounts]:
    with engine.connect() as connection:
        return quality_counts.count(connection, MIDNIGHT, MIDNIGHT + DAY, 50)


def test_windows_with_predictions_have_changed_until_they_are_reported(engine: Engine) -> None:
    job = add_prediction(engine, 0.9, MIDNIGHT + DAY / 2)
    add_prediction(engine, 0.9, MIDNIGHT + DAY / 3)
    add_prediction(engine, 0.9, MIDNIGHT - DAY)
    assert changed(engine) == [MIDNIGHT - DAY, MIDNIGHT]
    write(engine, window())
    assert changed(engine) == [MIDNIGHT - DAY], "a refresh covers the changes before it"
    write(engine, window(MIDNIGHT - DAY))
    assert changed(engine) == []
    add_label(engine, job, "1")
    assert changed(engine) == [MIDNIGHT], "a late label changes the window of its prediction"


def test_counts_are_per_source_and_over_all_sources(engine: Engine) -> None:
    labelled = add_prediction(engine, 0.75, MIDNIGHT)
    add_prediction(engine, 0.25, MIDNIGHT)
    add_prediction(engine, 0.5, MIDNIGHT, source="chat")
    add_prediction(engine, 0.9, MIDNIGHT + DAY, source="next day")
    add_label(engine, labelled, "0")
    everything, chat, mail = count(engine)
    assert [(c.source, c.rows, c.positives) for c in (everything, chat, mail)] == [
        (None, 3, 2),
        ("chat", 1, 1),
        ("mail", 2, 1),
    ]
    assert (mail.wrong_positives, mail.wrong_positives_squared) == (0.25, 0.0625)
    assert (mail.wrong_negatives, mail.wrong_negatives_squared) == (0.25, 0.0625)
    assert (mail.tp, mail.fp, mail.fn, mail.tn) == (0, 1, 0, 0)
    assert everything.wrong_positives == pytest.approx(0.75)
    assert (chat.tp, chat.fp, chat.fn, chat.tn) == (0, 0, 0, 0)


def test_newest_label_of_a_job_is_counted(engine: Engine) -> None:
    job = add_prediction(engine, 0.1, MIDNIGHT)
    add_label(engine, job, "0", by="ann")
    add_label(engine, job, "1", by="bob")
    counts = count(engine)[0]
    assert (counts.rows, counts.fn, counts.tn) == (1, 1, 0)


def test_a_random_text_stays_in_the_sample_if_another_labeller_labels_it_again(
    engine: Engine,
) -> None:
    job = add_prediction(engine, 0.1, MIDNIGHT)
    add_label(engine, job, "0", by="ann", sampling=Sampling.RANDOM)
    add_label(engine, job, "1", by="bob", sampling=Sampling.UNCERTAIN)
    counts = count(engine)[0]
    rows, errors, *_ = counts.random_negatives
    assert (rows, errors, counts.fn) == (1, 1, 1)


def test_report_is_read_as_it_was_written(engine: Engine) -> None:
    written = window()
    write(engine, written)
    assert find_windows(engine) == [written]


def test_report_replaces_the_earlier_one_on_the_same_window(engine: Engine) -> None:
    write(engine, window(), window(source="shop"), task_id="requested")
    newer = window(window_rows=3, metrics=[MetricValues("accuracy", 0.25)])
    write(engine, newer)
    assert find_windows(engine) == [newer]
    assert find_windows(engine, source="shop") == [window(source="shop")]
    assert find_windows(engine, task_id="requested") == [newer], "it remains that of the task"


def test_newest_windows_come_first(engine: Engine) -> None:
    first, second = window(MIDNIGHT), window(MIDNIGHT + DAY)
    write(engine, first, second, window(MIDNIGHT + DAY, model="other/1.0.0"))
    assert find_windows(engine, model=MODEL) == [second, first]
    assert find_windows(engine, model=MODEL, limit=1) == [second]
    assert find_windows(engine, task_id="another task") == []


def test_latest_quality_leaves_out_old_windows_and_versions_that_do_not_serve(
    engine: Engine,
) -> None:
    promote(engine)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    write(
        engine,
        window(MIDNIGHT, metrics=[MetricValues("f1", 0.1, realized=0.1)], labelled_rows=50),
        window(today, model="other/1.0.0"),
        window(today - DAY, labelled_rows=5),
        window(today, labelled_rows=0, metrics=[MetricValues("accuracy", 0.25)]),
    )
    with engine.connect() as connection:
        (accuracy,) = quality.latest(connection, min_labels=5, max_sources=50)
        (too_few,) = quality.latest(connection, min_labels=6, max_sources=50)
    assert (accuracy.metric, accuracy.estimated, accuracy.window_from) == ("accuracy", 0.25, today)
    assert (accuracy.realized, accuracy.realized_window_from) == (1.0, today - DAY)
    assert accuracy.labelled_rows == 5
    assert (too_few.estimated, too_few.realized, too_few.labelled_rows) == (0.25, None, 0)


def test_report_lock_is_refused_while_another_transaction_holds_it(engine: Engine) -> None:
    with engine.begin() as first:
        assert quality.lock(first, wait=True)
        with engine.begin() as second:
            assert not quality.lock(second, wait=False)
    with engine.begin() as second:
        assert quality.lock(second, wait=False)
