"""Create quality reports, alerts, and `plumbline.label_v1` for labels in SQL.

Revision: 0004
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Copies from `plumbline_client.identity`, because a migration does not change when the code does.
LONGEST_SOURCE = 200
LONGEST_KEY = 500

# A label is resolved by the same columns of `predictions` as in `storage.jobs.labels`. The time is
# clock_timestamp(), because the caller may have begun the transaction long before.
LABEL = f"""
CREATE FUNCTION plumbline.label_v1(
    job uuid DEFAULT NULL, label text DEFAULT NULL, said_by text DEFAULT NULL,
    key text DEFAULT NULL, source text DEFAULT 'default'
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    teller text := coalesce(said_by, session_user);
    wrong text := 'said_by ' || plumbline.fault(teller, {LONGEST_SOURCE});
    names text[];
    said int;
    before int;
BEGIN
    IF (job IS NULL) = (key IS NULL) THEN
        wrong := coalesce(wrong, 'the job is named by job, or by key and source');
    ELSIF key IS NOT NULL THEN
        wrong := coalesce(wrong, 'the key ' || plumbline.fault(key, {LONGEST_KEY}),
                          'the source ' || plumbline.fault(source, {LONGEST_SOURCE}),
                          CASE WHEN source IS NULL THEN 'the source is NULL' END);
    END IF;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'The label is not taken: %.', wrong
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    job := coalesce(job, plumbline.keyed_id_v1(source, key));
    SELECT versions.labels INTO names FROM plumbline.jobs AS jobs
    LEFT JOIN plumbline.predictions AS live ON live.job_id = jobs.id AND live.role = 'live'
    LEFT JOIN plumbline.model_versions AS versions ON versions.model = live.model
    WHERE jobs.id = job;
    IF NOT FOUND THEN
        RETURN 'unknown_job';
    END IF;
    said := CASE WHEN label IN ('0', '1') THEN CAST(label AS int)
                 ELSE array_position(names, label) - 1 END;
    IF said IS NULL THEN
        RETURN 'unusable';
    END IF;
    SELECT labels.label INTO before FROM plumbline.labels AS labels
    WHERE labels.job_id = job AND labels.source = teller FOR UPDATE;
    INSERT INTO plumbline.labels AS labels (job_id, source, label, labelled_at)
    VALUES (job, teller, said, clock_timestamp())
    ON CONFLICT ON CONSTRAINT labels_pkey DO UPDATE
    SET label = excluded.label, labelled_at = excluded.labelled_at;
    RETURN CASE WHEN before IS NULL THEN 'accepted' WHEN before = said THEN 'known'
                ELSE 'changed' END;
END
$$
"""

QUALITY = """
CREATE VIEW plumbline.quality AS
SELECT reports.window_from, reports.window_to, reports.model, reports.role, reports.source,
       reports.window_rows, reports.labelled_rows, reports.positive_share,
       reports.calibration_rows, metrics.metric, metrics.estimated, metrics.estimated_low,
       metrics.estimated_high, metrics.realized, metrics.realized_low, metrics.realized_high,
       reports.refreshed_at
FROM plumbline.quality_reports AS reports
JOIN plumbline.quality_values AS metrics ON metrics.report_id = reports.id
"""

GRANT = """
CREATE OR REPLACE PROCEDURE plumbline.grant_roles()
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'plumbline_producer') THEN
        GRANT USAGE ON SCHEMA plumbline TO plumbline_producer;
        GRANT EXECUTE ON FUNCTION plumbline.submit_v1{more_functions} TO plumbline_producer;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'plumbline_reader') THEN
        GRANT USAGE ON SCHEMA plumbline TO plumbline_reader;
        GRANT EXECUTE ON FUNCTION plumbline.keyed_id_v1 TO plumbline_reader;
        GRANT SELECT ON plumbline.results, plumbline.predictions, plumbline.labels,
            plumbline.model_versions, plumbline.deployments, plumbline.drift_reports,
            plumbline.drift_values{more_tables} TO plumbline_reader;
    END IF;
END
$$
"""
MORE_TABLES = """, plumbline.quality, plumbline.quality_reports,
            plumbline.quality_values, plumbline.alerts, plumbline.alert_notices"""

TABLES = ("alert_notices", "alerts", "quality_values", "quality_reports")


def upgrade() -> None:
    make_quality_tables()
    make_alert_tables()
    for statement in (
        QUALITY,
        LABEL,
        "REVOKE ALL ON FUNCTION plumbline.label_v1 FROM PUBLIC",
        GRANT.format(more_functions=", plumbline.label_v1", more_tables=MORE_TABLES),
        "CALL plumbline.grant_roles()",
    ):
        op.execute(statement)


def downgrade() -> None:
    op.execute(GRANT.format(more_functions="", more_tables=""))
    op.execute("DROP FUNCTION plumbline.label_v1")
    op.execute("DROP VIEW plumbline.quality")
    for table in TABLES:
        op.drop_table(table, schema="plumbline")


def moment(name: str, default_now: bool = True) -> sa.Column[Any]:
    """Return a timestamp column that defaults to now(), or one that may be NULL instead."""
    default = sa.text("now()") if default_now else None
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=default, nullable=not default_now
    )


def number(name: str, nullable: bool = True) -> sa.Column[Any]:
    return sa.Column(name, sa.DOUBLE_PRECISION(), nullable=nullable)


def words(name: str, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def make_quality_tables() -> None:
    op.create_table(
        "quality_reports",
        sa.Column("id", sa.BIGINT(), sa.Identity(always=True), nullable=False),
        words("model"),
        words("role"),
        words("source", nullable=True),
        sa.Column("window_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("window_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column("window_rows", sa.BIGINT(), nullable=False),
        sa.Column("labelled_rows", sa.BIGINT(), nullable=False),
        number("positive_share"),
        sa.Column("calibration_rows", sa.Integer(), nullable=True),
        words("task_id", nullable=True),
        moment("created_at"),
        moment("refreshed_at"),
        sa.CheckConstraint("role IN ('live', 'shadow')", name=op.f("quality_reports_role_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("quality_reports_pkey")),
        schema="plumbline",
    )
    op.create_index(
        "quality_reports_window_idx",
        "quality_reports",
        ["window_from", "window_to", "model", "role", sa.text("coalesce(source, '')")],
        unique=True,
        schema="plumbline",
    )
    for name in ("task_id", "refreshed_at"):
        op.create_index(
            f"quality_reports_{name.split('_')[0]}_idx",
            "quality_reports",
            [name],
            schema="plumbline",
        )
    op.create_table(
        "quality_values",
        sa.Column("report_id", sa.BIGINT(), nullable=False),
        words("metric"),
        *(
            number(f"{kind}{bound}")
            for kind in ("estimated", "realized")
            for bound in ("", "_low", "_high")
        ),
        sa.CheckConstraint(
            "metric IN ('accuracy', 'precision', 'recall', 'f1')",
            name=op.f("quality_values_metric_check"),
        ),
        sa.ForeignKeyConstraint(
            ["report_id"],
            ["plumbline.quality_reports.id"],
            name=op.f("quality_values_report_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("report_id", "metric", name=op.f("quality_values_pkey")),
        schema="plumbline",
    )


def make_alert_tables() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.BIGINT(), sa.Identity(always=True), nullable=False),
        *(words(name) for name in ("rule", "subject", "severity", "message")),
        *(number(name, nullable=False) for name in ("value", "threshold")),
        moment("raised_at"),
        moment("last_seen_at"),
        moment("clear_since", default_now=False),
        moment("resolved_at", default_now=False),
        sa.CheckConstraint(
            "severity IN ('warning', 'critical')", name=op.f("alerts_severity_check")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("alerts_pkey")),
        schema="plumbline",
    )
    op.create_index(
        "alerts_open_idx",
        "alerts",
        ["rule", "subject"],
        unique=True,
        schema="plumbline",
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.create_index("alerts_raised_idx", "alerts", ["raised_at"], schema="plumbline")
    op.create_table(
        "alert_notices",
        sa.Column("alert_id", sa.BIGINT(), nullable=False),
        words("status"),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        moment("created_at"),
        moment("next_attempt_at"),
        moment("delivered_at", default_now=False),
        moment("given_up_at", default_now=False),
        words("error", nullable=True),
        sa.CheckConstraint(
            "status IN ('raised', 'resolved')", name=op.f("alert_notices_status_check")
        ),
        sa.ForeignKeyConstraint(
            ["alert_id"],
            ["plumbline.alerts.id"],
            name=op.f("alert_notices_alert_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("alert_id", "status", name=op.f("alert_notices_pkey")),
        schema="plumbline",
    )
    op.create_index(
        "alert_notices_due_idx",
        "alert_notices",
        ["next_attempt_at"],
        schema="plumbline",
        postgresql_where=sa.text("delivered_at IS NULL AND given_up_at IS NULL"),
    )
