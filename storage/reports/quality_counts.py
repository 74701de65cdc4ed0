"""The counts of predictions and labels that quality reports are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from storage.jobs.labels import NEWEST_LABEL

# A transaction may commit a label this long after its timestamp. Windows with later changes are
# therefore counted once more.
OVERLAP_S = 3_600.0

# The windows that changed since the newest refresh. That is enough, because one run refreshes all
# windows that changed before it in one transaction. A refresh in the future was made before
# PostgreSQL's clock was set back, and hides no later change. Windows with predictions are found by
# one probe of an index each, however many predictions they have.
WINDOWS = """
windows (at) AS (
    (SELECT {start} FROM plumbline.predictions WHERE {since} ORDER BY scored_at LIMIT 1)
    UNION ALL
    SELECT (SELECT {start} FROM plumbline.predictions
            WHERE scored_at >= windows.at + make_interval(secs => :width_s)
            ORDER BY scored_at LIMIT 1)
    FROM windows WHERE windows.at IS NOT NULL
)
"""
START = "to_timestamp(floor(extract(epoch FROM scored_at) / :width_s) * :width_s)"
CHANGED = text(f"""
WITH RECURSIVE mark AS (
    SELECT CASE WHEN count(*) > 0 THEN coalesce(
        max(refreshed_at) FILTER (WHERE refreshed_at <= now())
        - make_interval(secs => :overlap_s), '-infinity') END AS at
    FROM plumbline.quality_reports
    WHERE window_to - window_from = make_interval(secs => :width_s)
), {WINDOWS.format(start=START, since="scored_at >= (SELECT at FROM mark)")}, labelled AS (
    SELECT {START} AS at
    FROM mark, plumbline.labels JOIN plumbline.predictions USING (job_id)
    WHERE labelled_at >= mark.at
)
SELECT at FROM windows WHERE at IS NOT NULL UNION SELECT at FROM labelled ORDER BY at
""")

# Those that have no report at all: before the first run, and where one ended early.
UNREPORTED = text(f"""
WITH RECURSIVE {WINDOWS.format(start=START, since="true")}
SELECT at FROM windows
WHERE at IS NOT NULL AND NOT EXISTS (
    SELECT FROM plumbline.quality_reports
    WHERE window_from = windows.at AND window_to = windows.at + make_interval(secs => :width_s))
ORDER BY at DESC
""")

# The name under which the smaller sources are reported together.
OTHER_SOURCES = "(other sources)"

RANDOM_SUMS = """ARRAY[
           count(*) FILTER (WHERE random AND {side}),
           count(*) FILTER (WHERE random AND {side} AND error),
           coalesce(sum(wrong) FILTER (WHERE random AND {side}), 0),
           coalesce(sum(wrong * wrong) FILTER (WHERE random AND {side}), 0),
           coalesce(sum(wrong) FILTER (WHERE random AND {side} AND error), 0)]"""

# The columns of a prediction that are summed up; without a label, the last three are empty.
PREDICTED = """model, role, scored_at, probability >= 0.5 AS positive,
           least(probability, 1 - probability) AS wrong"""
# If several sources labelled a job, the newest label wins: see `storage.jobs.labels`.
LABELLED = "newest.label, newest.random, (newest.label = 1) <> (probability >= 0.5) AS error"
NEWEST = f"CROSS JOIN LATERAL ({NEWEST_LABEL.format(job_id='predictions.job_id')}) AS newest"

# `wrong_positives` and the like are sums, over the rows of one predicted label, of the probability
# that the label is wrong and of its square, all that `monitoring.quality.estimated` needs.
SUMS = f"""
       count(*) AS rows, count(*) FILTER (WHERE positive) AS positives,
       coalesce(sum(wrong) FILTER (WHERE positive), 0) AS wrong_positives,
       coalesce(sum(wrong * wrong) FILTER (WHERE positive), 0) AS wrong_positives_squared,
       coalesce(sum(wrong) FILTER (WHERE NOT positive), 0) AS wrong_negatives,
       coalesce(sum(wrong * wrong) FILTER (WHERE NOT positive), 0) AS wrong_negatives_squared,
       count(*) FILTER (WHERE positive AND label = 1) AS tp,
       count(*) FILTER (WHERE positive AND label = 0) AS fp,
       count(*) FILTER (WHERE NOT positive AND label = 1) AS fn,
       count(*) FILTER (WHERE NOT positive AND label = 0) AS tn,
       min(scored_at) AS scored_from, max(scored_at) AS scored_to,
       {RANDOM_SUMS.format(side="positive")} AS random_positives,
       {RANDOM_SUMS.format(side="NOT positive")} AS random_negatives
"""
COUNT = text(f"""
WITH scored AS (
    SELECT {PREDICTED}, {LABELLED}, jobs.source
    FROM plumbline.predictions
    JOIN plumbline.jobs AS jobs ON jobs.id = job_id
    {NEWEST}
    WHERE scored_at >= :window_from AND scored_at < :window_to
      AND (CAST(:model AS text) IS NULL OR (model = :model AND role = :role))
), largest AS (
    SELECT unnest(CAST(:named AS text[])) AS source
    UNION ALL
    (SELECT source FROM scored WHERE CAST(:named AS text[]) IS NULL
     GROUP BY source ORDER BY count(*) DESC, source LIMIT :max_sources)
), named AS (
    SELECT scored.*, coalesce(largest.source, :other) AS reported_source
    FROM scored LEFT JOIN largest ON largest.source = scored.source
)
SELECT model, role, reported_source AS source, {SUMS}
FROM named
GROUP BY GROUPING SETS ((model, role), (model, role, reported_source))
ORDER BY model, role, reported_source NULLS FIRST
""")


@dataclass(frozen=True, slots=True)
class WindowCounts:
    """Counts and sums over the predictions of one window, version, role and source.

    `wrong_positives` is the sum, over the rows predicted positive, of the probability that they are
    negative, and `wrong_positives_squared` the sum of its squares; likewise for the negatives. `tp`
    to `tn` count the labelled rows. `random_positives` and `random_negatives` are about the rows
    that were drawn at random to be labelled, by predicted label: their number, the number of wrong
    ones, the sum of the probabilities of being wrong, that of its squares, and that of the wrong
    ones.

    With `sampled_rows`, all but `rows` and the numbers about labels are estimates from so many
    rows; the `variances` of their errors are those of `positives`, `wrong_positives` and
    `wrong_negatives`, the latter two for a given number of positives.
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
    scored_from: datetime | None = None
    scored_to: datetime | None = None
    random_positives: Sequence[float] = (0.0,) * 5
    random_negatives: Sequence[float] = (0.0,) * 5
    sampled_rows: int | None = None
    variances: Sequence[float] = (0.0,) * 3


def changed_windows(connection: Connection, width_s: float) -> list[datetime]:
    """Return the starts of windows that changed since the last run; before the first one, none."""
    rows = connection.execute(CHANGED, {"width_s": width_s, "overlap_s": OVERLAP_S})
    return list(rows.scalars())


def unreported_windows(connection: Connection, width_s: float) -> list[datetime]:
    """Return the starts of windows with predictions and without a report, the newest first."""
    return list(connection.execute(UNREPORTED, {"width_s": width_s}).scalars())


def count(
    connection: Connection, window_from: datetime, window_to: datetime, max_sources: int
) -> list[WindowCounts]:
    """Count per version and role, over all sources and per source; empty groups are left out.

    The sources after the `max_sources` largest are counted together, as OTHER_SOURCES.
    """
    parameters = {
        "window_from": window_from,
        "window_to": window_to,
        "model": None,
        "role": None,
        "named": None,
        "max_sources": max_sources,
    }
    return _count(connection, parameters)


def count_version(
    connection: Connection,
    window_from: datetime,
    window_to: datetime,
    version: tuple[str, str],
    named: Sequence[str],
) -> list[WindowCounts]:
    """Count one version and role like `count`, where the `named` sources are the largest."""
    model, role = version
    parameters = {
        "window_from": window_from,
        "window_to": window_to,
        "model": model,
        "role": role,
        "named": list(named),
        "max_sources": 0,
    }
    return _count(connection, parameters)


def _count(connection: Connection, parameters: Mapping[str, object]) -> list[WindowCounts]:
    rows = connection.execute(COUNT, {**parameters, "other": OTHER_SOURCES})
    return [WindowCounts(*row) for row in rows]
