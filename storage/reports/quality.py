"""Quality reports, one per window, and the counts of predictions and labels they are made from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from storage import locks
from storage.locks import Lock
from storage.serving.newest import NEWEST_DEPLOYMENT
from storage.states import EstimateStatus

# Older windows are not reported as current quality.
LATEST_S = 30 * 86_400.0

# A source that was among the largest when the window was last counted may not be now.
FORGET = text("""
DELETE FROM plumbline.quality_reports
WHERE window_from = :window_from AND window_to = :window_to AND source <> ALL (:sources)
""")

REPORTED_ROWS = text("""
SELECT coalesce(sum(window_rows), 0) FROM plumbline.quality_reports
WHERE window_from = :window_from AND window_to = :window_to AND source IS NULL
""")

# Sources are compared in a form that can be hashed: with IS NOT DISTINCT FROM, the join of n
# sources takes n * n steps.
WRITE = text("""
WITH made AS (
    SELECT * FROM jsonb_to_recordset(CAST(:reports AS jsonb)) AS report (
        model text, role text, source text, window_from timestamptz, window_to timestamptz,
        window_rows int8, labelled_rows int8, positive_share float8, calibration_rows int,
        scored_from timestamptz, scored_to timestamptz, random_rows int8, labelled_sources text[],
        labelled_share float8, combined_share float8, sampled_rows int8, metrics jsonb)
), written AS (
    INSERT INTO plumbline.quality_reports AS reports
        (model, role, source, window_from, window_to, window_rows, labelled_rows, positive_share,
         calibration_rows, scored_from, scored_to, random_rows, labelled_sources, labelled_share,
         combined_share, sampled_rows, task_id)
    SELECT model, role, source, window_from, window_to, window_rows, labelled_rows,
           positive_share, calibration_rows, scored_from, scored_to, random_rows, labelled_sources,
           labelled_share, combined_share, sampled_rows, CAST(:task_id AS text)
    FROM made
    ON CONFLICT (window_from, window_to, model, role, coalesce(source, '')) DO UPDATE
    SET window_rows = excluded.window_rows, labelled_rows = excluded.labelled_rows,
        positive_share = excluded.positive_share, calibration_rows = excluded.calibration_rows,
        scored_from = excluded.scored_from, scored_to = excluded.scored_to,
        random_rows = excluded.random_rows, labelled_sources = excluded.labelled_sources,
        labelled_share = excluded.labelled_share, combined_share = excluded.combined_share,
        sampled_rows = excluded.sampled_rows,
        task_id = coalesce(excluded.task_id, reports.task_id), refreshed_at = now()
    RETURNING id, model, role, source, window_from, window_to
)
INSERT INTO plumbline.quality_values
    (report_id, metric, estimated, estimated_low, estimated_high, realized, realized_low,
     realized_high, combined, combined_low, combined_high, calibrated, calibrated_low,
     calibrated_high)
SELECT id, item.*
FROM written JOIN made
    ON made.window_from = written.window_from AND made.window_to = written.window_to
    AND made.model = written.model AND made.role = written.role
    AND coalesce(made.source, '') = coalesce(written.source, '')
CROSS JOIN LATERAL jsonb_to_recordset(made.metrics) AS item (
    metric text, estimated float8, estimated_low float8, estimated_high float8, realized float8,
    realized_low float8, realized_high float8, combined float8, combined_low float8,
    combined_high float8, calibrated float8, calibrated_low float8, calibrated_high float8)
ON CONFLICT (report_id, metric) DO UPDATE
SET estimated = excluded.estimated, estimated_low = excluded.estimated_low,
    estimated_high = excluded.estimated_high, realized = excluded.realized,
    realized_low = excluded.realized_low, realized_high = excluded.realized_high,
    combined = excluded.combined, combined_low = excluded.combined_low,
    combined_high = excluded.combined_high, calibrated = excluded.calibrated,
    calibrated_low = excluded.calibrated_low, calibrated_high = excluded.calibrated_high
""")

# Labels arrive late. Estimated metrics are therefore those of the newest window, and realized and
# combined metrics those of the newest window with enough labels, and with labels of random texts.
LATEST = text(f"""
WITH serving AS (
    {NEWEST_DEPLOYMENT}
), reports AS (
    SELECT reports.* FROM plumbline.quality_reports AS reports, serving
    WHERE window_to > now() - make_interval(secs => :latest_s) AND window_rows > 0
      AND ((role = 'live' AND reports.model IN (serving.model, serving.canary))
           OR (role = 'shadow' AND reports.model = serving.shadow))
), newest_of_all AS (
    SELECT DISTINCT ON (model, role, source) * FROM reports
    ORDER BY model, role, source, window_to DESC, id DESC
), largest AS (
    SELECT source FROM newest_of_all WHERE source IS NOT NULL
    GROUP BY source ORDER BY max(window_to) DESC, sum(window_rows) DESC, source
    LIMIT :max_sources
), newest AS (
    SELECT * FROM newest_of_all
    WHERE source IS NULL OR source IN (SELECT source FROM largest)
), labelled AS (
    SELECT DISTINCT ON (model, role, source) * FROM reports WHERE labelled_rows >= :min_labels
    ORDER BY model, role, source, window_to DESC, id DESC
), sampled AS (
    SELECT DISTINCT ON (model, role, source) * FROM reports WHERE random_rows > 0
    ORDER BY model, role, source, window_to DESC, id DESC
)
SELECT newest.model, newest.role, newest.source, estimate.metric, estimate.estimated,
       estimate.estimated_low, estimate.estimated_high, truth.realized, truth.realized_low,
       truth.realized_high, coalesce(labelled.labelled_rows, 0) AS labelled_rows,
       newest.window_from, labelled.window_from AS realized_window_from, estimate.estimate_status,
       labelled.labelled_share, labelled.labelled_sources, sample.combined, sample.combined_low,
       sample.combined_high, sample.combined_share, coalesce(sampled.random_rows, 0),
       sampled.window_to AS combined_window_to, sample.estimate_status AS combined_status
FROM newest
JOIN plumbline.quality AS estimate
    ON estimate.report_id = newest.id AND estimate.report_id = ANY (ARRAY(SELECT id FROM newest))
LEFT JOIN labelled ON labelled.model = newest.model AND labelled.role = newest.role
    AND coalesce(labelled.source, '') = coalesce(newest.source, '')
LEFT JOIN plumbline.quality_values AS truth
    ON truth.report_id = labelled.id AND truth.metric = estimate.metric
LEFT JOIN sampled ON sampled.model = newest.model AND sampled.role = newest.role
    AND coalesce(sampled.source, '') = coalesce(newest.source, '')
LEFT JOIN plumbline.quality AS sample
    ON sample.report_id = sampled.id AND sample.metric = estimate.metric
    -- PostgreSQL would examine the drift of every report otherwise.
    AND sample.report_id = ANY (ARRAY(SELECT id FROM sampled))
ORDER BY newest.model, newest.role, newest.source NULLS FIRST, estimate.metric
""")

METRIC_COLUMNS = ", ".join(
    f"{name}, {name}_low, {name}_high" for name in ("estimated", "realized", "combined")
)
REPORTS = text(f"""
SELECT reports.*, shown.estimate_status, shown.combined_share AS share_of_combined, shown.metrics
FROM plumbline.quality_reports AS reports
CROSS JOIN LATERAL (
    SELECT min(estimate_status) AS estimate_status, max(combined_share) AS combined_share,
           json_agg(json_build_array(metric, {METRIC_COLUMNS}) ORDER BY metric) AS metrics
    FROM plumbline.quality WHERE report_id = reports.id
) AS shown
WHERE (CAST(:model AS text) IS NULL OR model = :model)
  AND (CAST(:task_id AS text) IS NULL OR task_id = :task_id)
  AND CASE WHEN CAST(:source AS text) IS NULL THEN source IS NULL ELSE source = :source END
ORDER BY window_from DESC, model, role, id
LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class MetricValues:
    """One metric, in [0, 1], with 95% intervals; None if it has no value.

    When read, `estimated` is None if the texts have drifted, and `combined` is `calibrated` if they
    were found stable.
    """

    metric: str
    estimated: float | None = None
    estimated_low: float | None = None
    estimated_high: float | None = None
    realized: float | None = None
    realized_low: float | None = None
    realized_high: float | None = None
    combined: float | None = None
    combined_low: float | None = None
    combined_high: float | None = None


@dataclass(frozen=True, slots=True)
class NewMetricValues(MetricValues):
    """The columns of `storage.tables.QualityValue`: how it is shown is decided when it is read."""

    calibrated: float | None = None
    calibrated_low: float | None = None
    calibrated_high: float | None = None


@dataclass(frozen=True, slots=True)
class QualityWindow:
    """The report on one window of one version, role and source.

    The fields are those of `storage.tables.QualityReport`. `estimate_status` is computed when the
    report is read, from the drift reports of that time, and is not written.
    """

    model: str
    role: str
    source: str | None
    window_from: datetime
    window_to: datetime
    window_rows: int
    labelled_rows: int
    positive_share: float | None
    calibration_rows: int | None
    metrics: Sequence[MetricValues]
    scored_from: datetime | None = None
    scored_to: datetime | None = None
    random_rows: int = 0
    labelled_sources: Sequence[str] | None = None
    labelled_share: float | None = None
    combined_share: float | None = None
    estimate_status: EstimateStatus = EstimateStatus.UNCHECKED
    sampled_rows: int | None = None


@dataclass(frozen=True, slots=True)
class LatestQuality:
    """One current metric of a serving version, estimated for its newest window with predictions.

    `realized` is that of the newest window with enough labels, which has `labelled_rows` of them.
    `combined` is that of the newest window with labels of random texts, which are `random_rows`;
    `combined_status` is the estimate status of that window.
    """

    model: str
    role: str
    source: str | None
    metric: str
    estimated: float | None
    estimated_low: float | None
    estimated_high: float | None
    realized: float | None
    realized_low: float | None
    realized_high: float | None
    labelled_rows: int
    window_from: datetime
    realized_window_from: datetime | None
    estimate_status: str = EstimateStatus.UNCHECKED
    labelled_share: float | None = None
    labelled_sources: Sequence[str] | None = None
    combined: float | None = None
    combined_low: float | None = None
    combined_high: float | None = None
    combined_share: float | None = None
    random_rows: int = 0
    combined_window_to: datetime | None = None
    combined_status: str | None = None


def lock(connection: Connection, wait: bool) -> bool:
    """Take the report lock until the transaction ends; False if another process holds it.

    With `wait`, wait for that process and return True.
    """
    if wait:
        locks.lock(connection, Lock.REPORT_QUALITY)
        return True
    return locks.try_lock(connection, Lock.REPORT_QUALITY)


def reported_rows(connection: Connection, window_from: datetime, window_to: datetime) -> int:
    """Return how many predictions the reports on this window, of all versions, are made from."""
    parameters = {"window_from": window_from, "window_to": window_to}
    return int(connection.execute(REPORTED_ROWS, parameters).scalar_one())


def forget_other_sources(
    connection: Connection, window_from: datetime, window_to: datetime, sources: Sequence[str]
) -> None:
    """Delete the window's reports on sources other than these; those on all sources stay."""
    parameters = {"window_from": window_from, "window_to": window_to, "sources": list(sources)}
    connection.execute(FORGET, parameters)


def write(
    connection: Connection, windows: Sequence[QualityWindow], task_id: str | None = None
) -> None:
    """Write reports; each replaces an earlier report on the same window."""
    document = json.dumps([asdict(window) for window in windows], default=str)
    connection.execute(WRITE, {"reports": document, "task_id": task_id})


def latest(connection: Connection, min_labels: int = 1, *, max_sources: int) -> list[LatestQuality]:
    """Return the current quality of the serving versions, from windows of the last 30 days.

    Realized metrics are those of windows with at least `min_labels` labels. Of the sources, those
    with the newest windows are returned, the largest first, at most `max_sources`.
    """
    parameters = {"latest_s": LATEST_S, "min_labels": min_labels, "max_sources": max_sources}
    return [LatestQuality(*row) for row in connection.execute(LATEST, parameters)]


def find_windows(
    connection: Connection,
    *,
    model: str | None = None,
    source: str | None = None,
    task_id: str | None = None,
    limit: int = 20,
) -> list[QualityWindow]:
    """Return the reports on the newest windows first.

    A `source` of None selects the reports on all sources together.
    """
    rows = connection.execute(
        REPORTS, {"model": model, "source": source, "task_id": task_id, "limit": limit}
    )
    return [
        QualityWindow(
            row.model,
            row.role,
            row.source,
            row.window_from,
            row.window_to,
            row.window_rows,
            row.labelled_rows,
            row.positive_share,
            row.calibration_rows,
            [MetricValues(*values) for values in row.metrics or ()],
            row.scored_from,
            row.scored_to,
            row.random_rows or 0,
            row.labelled_sources,
            row.labelled_share,
            row.share_of_combined,
            EstimateStatus(row.estimate_status or EstimateStatus.UNCHECKED),
            row.sampled_rows,
        )
        for row in rows
    ]
