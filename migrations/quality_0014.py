"""Whether an estimate can be trusted, and `plumbline.quality` with it, for the migration 0014."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import sqlalchemy as sa
from alembic import op

EARLIER_VIEW = import_module("migrations.versions.0004_quality").QUALITY
ARGUMENTS = "text, text, timestamptz, timestamptz"

# A report's verdict is about the texts that it shares with the quality report, from `begins` to
# `ends`. Estimates are calibrated on the texts of the profile, so the verdict against the profile
# counts. A drift verdict does not count if the same texts were found stable: by a newer report, or
# by an older one if this report also contains later texts, which may be the ones that drifted.
# Stable verdicts count if together they reach over half of the time of the texts. Those of one
# source do not count for all sources.
STATUS = """
CREATE FUNCTION plumbline.estimate_status_v1(
    model text, source text, scored_from timestamptz, scored_to timestamptz
) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE COST 10000
AS $$
WITH verdicts AS (
    SELECT reports.id, reports.source, reports.window_to > $4 AS has_later_texts,
           greatest(reports.window_from, $3) AS begins, least(reports.window_to, $4) AS ends,
           CASE WHEN reports.profile_verdict IN ('stable', 'drift') THEN reports.profile_verdict
                WHEN reports.reference = 'profile' OR reports.verdict = 'drift'
                    THEN reports.verdict END AS verdict
    FROM plumbline.drift_reports AS reports
    WHERE reports.model = $1 AND reports.window_from <= $4 AND reports.window_to >= $3
      AND ($2 IS NULL OR reports.source IS NULL OR reports.source = $2)
), drifted AS (
    SELECT FROM verdicts AS drift WHERE verdict = 'drift' AND NOT EXISTS (
        SELECT FROM verdicts AS stable
        WHERE stable.verdict = 'stable' AND stable.source IS NOT DISTINCT FROM drift.source
          AND (stable.id > drift.id OR drift.has_later_texts)
          AND stable.begins <= drift.ends AND stable.ends >= drift.begins
          AND least(stable.ends, drift.ends) - greatest(stable.begins, drift.begins)
              >= 0.9 * (drift.ends - drift.begins))
), stable AS (
    SELECT FROM verdicts
    WHERE verdict = 'stable' AND ($2 IS NOT NULL OR source IS NULL)
    HAVING max(ends) - min(begins) >= 0.5 * ($4 - $3)
)
SELECT CASE WHEN EXISTS (SELECT FROM drifted) THEN 'drift'
            WHEN EXISTS (SELECT FROM stable) THEN 'trusted'
            ELSE 'unchecked' END
$$
"""

# The estimate is withheld under drift. Labels and predictions together give the combined value; the
# calibration counts as evidence for it only if the texts were found stable.
VIEW = """
CREATE OR REPLACE VIEW plumbline.quality AS
SELECT reports.window_from, reports.window_to, reports.model, reports.role, reports.source,
       reports.window_rows, reports.labelled_rows, reports.positive_share,
       reports.calibration_rows, metrics.metric,
       CASE WHEN estimate_status <> 'drift' THEN metrics.estimated END AS estimated,
       CASE WHEN estimate_status <> 'drift' THEN metrics.estimated_low END AS estimated_low,
       CASE WHEN estimate_status <> 'drift' THEN metrics.estimated_high END AS estimated_high,
       metrics.realized, metrics.realized_low, metrics.realized_high, reports.refreshed_at,
       estimate_status,
       CASE WHEN by_calibration THEN metrics.calibrated ELSE metrics.combined END AS combined,
       CASE WHEN by_calibration THEN metrics.calibrated_low ELSE metrics.combined_low END
           AS combined_low,
       CASE WHEN by_calibration THEN metrics.calibrated_high ELSE metrics.combined_high END
           AS combined_high,
       CASE WHEN by_calibration THEN 1.0 ELSE reports.combined_share END AS combined_share,
       reports.random_rows, reports.labelled_share, reports.labelled_sources,
       reports.id AS report_id
FROM plumbline.quality_reports AS reports
JOIN plumbline.quality_values AS metrics ON metrics.report_id = reports.id
CROSS JOIN LATERAL plumbline.estimate_status_v1(
    reports.model, reports.source, coalesce(reports.scored_from, reports.window_from),
    coalesce(reports.scored_to, reports.window_to)) AS estimate_status
CROSS JOIN LATERAL (
    SELECT estimate_status = 'trusted' AND metrics.calibrated IS NOT NULL AS by_calibration
) AS evidence
"""

REPORT_COLUMNS: tuple[tuple[str, Any], ...] = (
    ("scored_from", sa.TIMESTAMP(timezone=True)),
    ("scored_to", sa.TIMESTAMP(timezone=True)),
    ("random_rows", sa.BIGINT()),
    ("labelled_share", sa.DOUBLE_PRECISION()),
    ("combined_share", sa.DOUBLE_PRECISION()),
)
VALUE_COLUMNS = ("calibrated", "calibrated_low", "calibrated_high")


def upgrade() -> None:
    """Run after the columns `combined` and `drift_reports.profile_verdict` are added."""
    for name, kind in REPORT_COLUMNS:
        op.add_column("quality_reports", sa.Column(name, kind), schema="plumbline")
    for name in VALUE_COLUMNS:
        op.add_column("quality_values", sa.Column(name, sa.DOUBLE_PRECISION()), schema="plumbline")
    op.execute(STATUS)
    op.execute(VIEW)


def downgrade() -> None:
    """Run before the columns that the view reads are dropped."""
    op.execute("DROP VIEW plumbline.quality")
    op.execute(f"DROP FUNCTION plumbline.estimate_status_v1({ARGUMENTS})")
    op.execute(EARLIER_VIEW)
    op.execute("CALL plumbline.grant_roles()")
    for name in VALUE_COLUMNS:
        op.drop_column("quality_values", name, schema="plumbline")
    for name, _ in REPORT_COLUMNS:
        op.drop_column("quality_reports", name, schema="plumbline")
