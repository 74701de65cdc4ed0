"""Quality: what a window's predictions and labels count up to, and the reports made of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, text

# Any constant will do, as long as whoever makes quality reports takes the same one.
ADVISORY_LOCK = 0x7175616C
# A transaction that labels may commit so long after the time it wrote; what it touched is
# counted once more until then.
OVERLAP_S = 3_600.0
# What is older says nothing of how good a version is now.
LATEST_S = 30 * 86_400.0

TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:key)")
LOCK = text("SELECT true FROM (SELECT pg_advisory_xact_lock(:key)) AS locked")

# A window that was made since its last change needs no more. What changed is looked for after the
# newest refresh only: one run refreshes all that changed before it in one transaction.
CHANGED = text("""
WITH mark AS (
    SELECT coalesce(max(refreshed_at) - make_interval(secs => :overlap_s), '-infinity') AS at
    FROM plumbline.quality_reports
    WHERE window_to - window_from = make_interval(secs => :width_s)
), changed AS (
    SELECT scored_at FROM plumbline.predictions, mark WHERE scored_at >= mark.at
    UNION ALL
    SELECT scored_at FROM mark, plumbline.labels JOIN plumbline.predictions USING (job_id)
    WHERE labelled_at >= mark.at
)
SELECT DISTINCT to_timestamp(floor(extract(epoch FROM scored_at) / :width_s) * :width_s) AS at
FROM changed ORDER BY at
""")

# `wrong_positives` and the like are sums over one predicted label of the chance of being wrong
# and of its square: `monitoring.quality.estimated` needs no more. Of several labels the newest is believed,
# as in `storage.jobs.labels`.
COUNT = text("""
WITH scored AS (
    SELECT model, role, jobs.source, probability AS p, probability >= 0.5 AS positive, said.label
    FROM plumbline.predictions
    JOIN plumbline.jobs AS jobs ON jobs.id = job_id
    LEFT JOIN LATERAL (
        SELECT label FROM plumbline.labels AS labels WHERE labels.job_id = predictions.job_id
        ORDER BY labelled_at DESC, labels.source LIMIT 1
    ) AS said ON true
    WHERE scored_at >= :window_from AND scored_at < :window_to
)
SELECT model, role, source, count(*) AS rows,
       count(*) FILTER (WHERE positive) AS positives,
       coalesce(sum(1 - p) FILTER (WHERE positive), 0) AS wrong_positives,
       coalesce(sum((1 - p) * (1 - p)) FILTER (WHERE positive), 0) AS wrong_positives_squared,
       coalesce(sum(p) FILTER (WHERE NOT positive), 0) AS wrong_negatives,
       coalesce(sum(p * p) FILTER (WHERE NOT positive), 0) AS wrong_negatives_squared,
       count(*) FILTER (WHERE positive AND label = 1) AS tp,
       count(*) FILTER (WHERE positive AND label = 0) AS fp,
       count(*) FILTER (WHERE NOT positive AND label = 1) AS fn,
       count(*) FILTER (WHERE NOT positive AND label = 0) AS tn
FROM scored
GROUP BY GROUPING SETS ((model, role), (model, role, source))
ORDER BY model, role, source NULLS FIRST
""")

WRITE = text("""
WITH made AS (
    SELECT * FROM jsonb_to_recordset(CAST(:reports AS jsonb)) AS report (
        model text, role text, source text, window_from timestamptz, window_to timestamptz,
        window_rows int8, labelled_rows int8, positive_share float8, calibration_rows int,
        measures jsonb)
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
SELECT id, measure.*
FROM written JOIN made USING (window_from, window_to, model, role)
CROSS JOIN LATERAL jsonb_to_recordset(made.measures) AS measure (
    metric text, estimated float8, estimated_low float8, estimated_high float8, realized float8,
    realized_low float8, realized_high float8)
WHERE made.source IS NOT DISTINCT FROM written.source
ON CONFLICT (report_id, metric) DO UPDATE
SET estimated = excluded.estimated, estimated_low = excluded.estimated_low,
    estimated_high = excluded.estimated_high, realized = excluded.realized,
    realized_low = excluded.realized_low, realized_high = excluded.realized_high
""")

# Labels come late: what was estimated is told of the newest window, and what was realized of the
# newest that has labels enough.
LATEST = text("""
WITH serving AS (
    SELECT model, shadow, canary FROM plumbline.deployments ORDER BY id DESC LIMIT 1
), reports AS (
    SELECT reports.* FROM plumbline.quality_reports AS reports, serving
    WHERE window_to > now() - make_interval(secs => :latest_s) AND window_rows > 0
      AND ((role = 'live' AND reports.model IN (serving.model, serving.canary))
           OR (role = 'shadow' AND reports.model = serving.shadow))
), newest AS (
    SELECT DISTINCT ON (model, role, source) * FROM reports
    ORDER BY model, role, source, window_to DESC, id DESC
), told AS (
    SELECT DISTINCT ON (model, role, source) * FROM reports WHERE labelled_rows >= :min_labels
    ORDER BY model, role, source, window_to DESC, id DESC
)
SELECT newest.model, newest.role, newest.source, estimate.metric, estimate.estimated,
       estimate.estimated_low, estimate.estimated_high, truth.realized, truth.realized_low,
       truth.realized_high, coalesce(told.labelled_rows, 0) AS labelled,
       newest.window_from, told.window_from AS realized_window_from
FROM newest
JOIN plumbline.quality_values AS estimate ON estimate.report_id = newest.id
LEFT JOIN told ON told.model = newest.model AND told.role = newest.role
    AND told.source IS NOT DISTINCT FROM newest.source
LEFT JOIN plumbline.quality_values AS truth
    ON truth.report_id = told.id AND truth.metric = estimate.metric
ORDER BY newest.model, newest.role, newest.source NULLS FIRST, estimate.metric
""")

REPORTS = text("""
SELECT reports.*, (
    SELECT jsonb_agg(to_jsonb(measures) - 'report_id')
    FROM plumbline.quality_values AS measures WHERE measures.report_id = reports.id
) AS measures
FROM plumbline.quality_reports AS reports
WHERE (CAST(:model AS text) IS NULL OR model = :model)
  AND (CAST(:task_id AS text) IS NULL OR task_id = :task_id)
  AND CASE WHEN CAST(:source AS text) IS NULL THEN source IS NULL ELSE source = :source END
ORDER BY window_from DESC, model, role, id
LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class WindowCounts:
    """What the predictions of one window, version, role and source count up to.

    `wrong_positives` is the sum, over rows predicted positive, of the probability that they are
    not; `wrong_positives_squared` that of its squares; likewise for the negatives. `tp` to `tn`
    are of the rows with labels.
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
class Measure:
    """One metric, in [0, 1]; None where it has no value. Bounds are of 95% intervals."""

    metric: str
    estimated: float | None = None
    estimated_low: float | None = None
    estimated_high: float | None = None
    realized: float | None = None
    realized_low: float | None = None
    realized_high: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """One window of one version, role and source. Fields as in `storage.tables.QualityReport`."""

    model: str
    role: str
    source: str | None
    window_from: datetime
    window_to: datetime
    window_rows: int
    labelled_rows: int
    positive_share: float | None
    calibration_rows: int | None
    measures: Sequence[Measure]


@dataclass(frozen=True, slots=True)
class QualityRow:
    """How good a version that serves is now: `estimated` of its newest window with predictions.

    `realized` is of the newest window with labels enough, which has `labelled` of them.
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
    labelled: int
    window_from: datetime
    realized_window_from: datetime | None


def lock(connection: Connection, wait: bool) -> bool:
    """Be the one who makes reports until the transaction ends; False where another is.

    With `wait` it is always True, in the end.
    """
    statement = LOCK if wait else TRY_LOCK
    return bool(connection.execute(statement, {"key": ADVISORY_LOCK}).scalar_one())


def changed_windows(connection: Connection, width_s: float) -> list[datetime]:
    """The starts of windows that got predictions or labels since reports were last made."""
    found = connection.execute(CHANGED, {"width_s": width_s, "overlap_s": OVERLAP_S})
    return list(found.scalars())


def count(connection: Connection, window_from: datetime, window_to: datetime) -> list[WindowCounts]:
    """One for each version and role, and one more for each of their sources; none of none."""
    rows = connection.execute(COUNT, {"window_from": window_from, "window_to": window_to})
    return [WindowCounts(*row) for row in rows]


def write(connection: Connection, reports: Sequence[Report], task_id: str | None = None) -> None:
    """Write reports, each in the place of the one of the same window before."""
    body = json.dumps([asdict(report) for report in reports], default=str)
    connection.execute(WRITE, {"reports": body, "task_id": task_id})


def latest(connection: Connection, min_labels: int = 1) -> list[QualityRow]:
    """What is known of the versions that serve, of windows that ended at most 30 days ago.

    Realized metrics are of windows with at least `min_labels` labels.
    """
    rows = connection.execute(LATEST, {"latest_s": LATEST_S, "min_labels": min_labels})
    return [QualityRow(*row) for row in rows]


def reports(
    connection: Connection,
    *,
    model: str | None = None,
    source: str | None = None,
    task_id: str | None = None,
    limit: int = 20,
) -> list[Report]:
    """The newest windows first; of `source`, or of all sources together where it is None."""
    rows = connection.execute(
        REPORTS, {"model": model, "source": source, "task_id": task_id, "limit": limit}
    )
    return [
        Report(
            row.model,
            row.role,
            row.source,
            row.window_from,
            row.window_to,
            row.window_rows,
            row.labelled_rows,
            row.positive_share,
            row.calibration_rows,
            [Measure(**measure) for measure in row.measures or ()],
        )
        for row in rows
    ]
