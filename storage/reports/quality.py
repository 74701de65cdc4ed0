"""Quality reports, one per window, and the counts of predictions and labels they are made from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from storage import locks
from storage.locks import Lock
from storage.serving.deployments import NEWEST_DEPLOYMENT

# A transaction may commit a label this long after its timestamp. Windows with later changes are
# therefore counted once more.
OVERLAP_S = 3_600.0
# Older windows are not reported as current quality.
LATEST_S = 30 * 86_400.0

# The windows that changed since the newest refresh. That is enough, because one run refreshes all
# windows that changed before it in one transaction. A refresh in the future was made before
# PostgreSQL's clock was set back, and hides no later change.
CHANGED = text("""
WITH mark AS (
    SELECT coalesce(max(refreshed_at) - make_interval(secs => :overlap_s), '-infinity') AS at
    FROM plumbline.quality_reports
    WHERE window_to - window_from = make_interval(secs => :width_s) AND refreshed_at <= now()
), changed AS (
    SELECT scored_at FROM plumbline.predictions, mark WHERE scored_at >= mark.at
    UNION ALL
    SELECT scored_at FROM mark, plumbline.labels JOIN plumbline.predictions USING (job_id)
    WHERE labelled_at >= mark.at
)
SELECT DISTINCT to_timestamp(floor(extract(epoch FROM scored_at) / :width_s) * :width_s) AS at
FROM changed ORDER BY at
""")

# The name under which the smaller sources are reported together.
OTHER_SOURCES = "(other sources)"

# `wrong_positives` and the like are sums, over the rows of one predicted label, of the probability
# that the label is wrong and of its square, all that `monitoring.quality.estimated` needs. If
# several sources labelled a job, the newest label wins, as in `storage.jobs.labels`.
COUNT = text("""
WITH scored AS (
    SELECT model, role, jobs.source, probability AS p, probability >= 0.5 AS positive, newest.label
    FROM plumbline.predictions
    JOIN plumbline.jobs AS jobs ON jobs.id = job_id
    LEFT JOIN LATERAL (
        SELECT label FROM plumbline.labels AS labels WHERE labels.job_id = predictions.job_id
        ORDER BY labelled_at DESC, labels.source LIMIT 1
    ) AS newest ON true
    WHERE scored_at >= :window_from AND scored_at < :window_to
), largest AS (
    SELECT source FROM scored GROUP BY source ORDER BY count(*) DESC, source LIMIT :max_sources
), named AS (
    SELECT scored.*, coalesce(largest.source, :other) AS reported_source
    FROM scored LEFT JOIN largest ON largest.source = scored.source
)
SELECT model, role, reported_source AS source, count(*) AS rows,
       count(*) FILTER (WHERE positive) AS positives,
       coalesce(sum(1 - p) FILTER (WHERE positive), 0) AS wrong_positives,
       coalesce(sum((1 - p) * (1 - p)) FILTER (WHERE positive), 0) AS wrong_positives_squared,
       coalesce(sum(p) FILTER (WHERE NOT positive), 0) AS wrong_negatives,
       coalesce(sum(p * p) FILTER (WHERE NOT positive), 0) AS wrong_negatives_squared,
       count(*) FILTER (WHERE positive AND label = 1) AS tp,
       count(*) FILTER (WHERE positive AND label = 0) AS fp,
       count(*) FILTER (WHERE NOT positive AND label = 1) AS fn,
       count(*) FILTER (WHERE NOT positive AND label = 0) AS tn
FROM named
GROUP BY GROUPING SETS ((model, role), (model, role, reported_source))
ORDER BY model, role, reported_source NULLS FIRST
""")

# A source that was among the largest when the window was last counted may not be now.
FORGET = text("""
DELETE FROM plumbline.quality_reports
WHERE window_from = :window_from AND window_to = :window_to AND source <> ALL (:sources)
""")

# Sources are compared in a form that can be hashed: with IS NOT DISTINCT FROM, the join of n
# sources takes n * n steps.
WRITE = text("""
WITH made AS (
    SELECT * FROM jsonb_to_recordset(CAST(:reports AS jsonb)) AS report (
        model text, role text, source text, window_from timestamptz, window_to timestamptz,
        window_rows int8, labelled_rows int8, positive_share float8, calibration_rows int,
        metrics jsonb)
), written AS (
    INSERT INTO plumbline.quality_reports AS reports
        (model, role, source, window_from, window_to, window_rows, labelled_rows, positive_share,
         calibration_rows, task_id)
    SELECT model, role, source, window_from, window_to, window_rows, labelled_rows,
           positive_share, calibration_rows, CAST(:task_id AS text)
    FROM made
    ON CONFLICT (window_from, window_to, model, role, coalesce(source, '')) DO UPDATE
    SET window_rows = excluded.window_rows, labelled_rows = excluded.labelled_rows,
        positive_share = excluded.positive_share, calibration_rows = excluded.calibration_rows,
        task_id = coalesce(excluded.task_id, reports.task_id), refreshed_at = now()
    RETURNING id, model, role, source, window_from, window_to
)
INSERT INTO plumbline.quality_values
    (report_id, metric, estimated, estimated_low, estimated_high, realized, realized_low,
     realized_high)
SELECT id, item.*
FROM written JOIN made
    ON made.window_from = written.window_from AND made.window_to = written.window_to
    AND made.model = written.model AND made.role = written.role
    AND coalesce(made.source, '') = coalesce(written.source, '')
CROSS JOIN LATERAL jsonb_to_recordset(made.metrics) AS item (
    metric text, estimated float8, estimated_low float8, estimated_high float8, realized float8,
    realized_low float8, realized_high float8)
ON CONFLICT (report_id, metric) DO UPDATE
SET estimated = excluded.estimated, estimated_low = excluded.estimated_low,
    estimated_high = excluded.estimated_high, realized = excluded.realized,
    realized_low = excluded.realized_low, realized_high = excluded.realized_high
""")

# Labels arrive late. Estimated metrics are therefore those of the newest window, and realized
# metrics those of the newest window with enough labels.
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
)
SELECT newest.model, newest.role, newest.source, estimate.metric, estimate.estimated,
       estimate.estimated_low, estimate.estimated_high, truth.realized, truth.realized_low,
       truth.realized_high, coalesce(labelled.labelled_rows, 0) AS labelled_rows,
       newest.window_from, labelled.window_from AS realized_window_from
FROM newest
JOIN plumbline.quality_values AS estimate ON estimate.report_id = newest.id
LEFT JOIN labelled ON labelled.model = newest.model AND labelled.role = newest.role
    AND coalesce(labelled.source, '') = coalesce(newest.source, '')
LEFT JOIN plumbline.quality_values AS truth
    ON truth.report_id = labelled.id AND truth.metric = estimate.metric
ORDER BY newest.model, newest.role, newest.source NULLS FIRST, estimate.metric
""")

REPORTS = text("""
SELECT reports.*, (
    SELECT jsonb_agg(to_jsonb(metrics) - 'report_id')
    FROM plumbline.quality_values AS metrics WHERE metrics.report_id = reports.id
) AS metrics
FROM plumbline.quality_reports AS reports
WHERE (CAST(:model AS text) IS NULL OR model = :model)
  AND (CAST(:task_id AS text) IS NULL OR task_id = :task_id)
  AND CASE WHEN CAST(:source AS text) IS NULL THEN source IS NULL ELSE source = :source END
ORDER BY window_from DESC, model, role, id
LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class WindowCounts:
    """Counts and sums over the predictions of one window, version, role and source.

    `wrong_positives` is the sum, over the rows predicted positive, of the probability that they are
    negative, and `wrong_positives_squared` the sum of its squares; likewise for the negatives. `tp`
    to `tn` count the labelled rows.
    """

    model: str
    role: str
    source: str | None
    rows: int
    positives: int
    wrong_positives: float
    wrong_positives_squared: float
    wrong_negatives: float
    wrong_negatives_squared: float
    tp: int
    fp: int
    fn: int
    tn: int


@dataclass(frozen=True, slots=True)
class MetricValues:
    """One metric, in [0, 1], with 95% intervals; None if it has no value."""

    metric: str
    estimated: float | None = None
    estimated_low: float | None = None
    estimated_high: float | None = None
    realized: float | None = None
    realized_low: float | None = None
    realized_high: float | None = None


@dataclass(frozen=True, slots=True)
class QualityWindow:
    """The report on one window of one version, role and source.

    The fields are those of `storage.tables.QualityReport`.
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


@dataclass(frozen=True, slots=True)
class LatestQuality:
    """One current metric of a serving version, estimated for its newest window with predictions.

    `realized` is that of the newest window with enough labels, which has `labelled_rows` of them.
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


def lock(connection: Connection, wait: bool) -> bool:
    """Take the report lock until the transaction ends; False if another process holds it.

    With `wait`, wait for that process and return True.
    """
    if wait:
        locks.lock(connection, Lock.REPORT_QUALITY)
        return True
    return locks.try_lock(connection, Lock.REPORT_QUALITY)


def changed_windows(connection: Connection, width_s: float) -> list[datetime]:
    """Return the starts of windows with predictions or labels newer than their report."""
    rows = connection.execute(CHANGED, {"width_s": width_s, "overlap_s": OVERLAP_S})
    return list(rows.scalars())


def count(
    connection: Connection, window_from: datetime, window_to: datetime, max_sources: int
) -> list[WindowCounts]:
    """Count per version and role, over all sources and per source; empty groups are left out.

    The sources after the `max_sources` largest are counted together, as OTHER_SOURCES.
    """
    parameters = {
        "window_from": window_from,
        "window_to": window_to,
        "max_sources": max_sources,
        "other": OTHER_SOURCES,
    }
    return [WindowCounts(*row) for row in connection.execute(COUNT, parameters)]


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
            [MetricValues(**values) for values in row.metrics or ()],
        )
        for row in rows
    ]
