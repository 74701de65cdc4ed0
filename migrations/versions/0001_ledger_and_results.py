"""Create the tables of the ledger, predictions, labels, models and drift, and the view of results.

Revision: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Analysts and other services query this view. Columns may be added, but never removed.
RESULTS = """
CREATE VIEW plumbline.results AS
SELECT jobs.id AS job_id, jobs.source, jobs.key, jobs.state, jobs.error, jobs.notes, jobs.attempts,
       jobs.created_at, jobs.finished_at, live.model, live.probability, live.label,
       live.confidence, live.decision, live.tokens, live.windows, live.window_rule, live.ranked,
       live.queue_ms, live.score_ms, live.scored_at, jobs.text
FROM plumbline.jobs AS jobs
LEFT JOIN plumbline.predictions AS live ON live.job_id = jobs.id AND live.role = 'live'
"""


def upgrade() -> None:
    op.create_table(
        "drift_reports",
        sa.Column("id", sa.BIGINT(), sa.Identity(always=True), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("window_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("window_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("window_rows", sa.Integer(), nullable=False),
        sa.Column("reference_rows", sa.Integer(), nullable=False),
        sa.Column("html_path", sa.Text(), nullable=True),
        sa.Column("task_id", sa.Text(), nullable=True),
        sa.Column("took_ms", sa.DOUBLE_PRECISION(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "verdict IN ('stable', 'drift', 'too_little_data')",
            name=op.f("drift_reports_verdict_check"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("drift_reports_pkey")),
        schema="plumbline",
    )
    op.create_index(
        "drift_reports_created_idx",
        "drift_reports",
        ["created_at"],
        unique=False,
        schema="plumbline",
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("text_sha256", postgresql.BYTEA(), nullable=False),
        sa.Column(
            "notes", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.SMALLINT(), server_default=sa.text("0"), nullable=False),
        sa.Column("fence", sa.BIGINT(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'leased', 'scored', 'expired', 'quarantined', "
            "'cancelled', 'rejected')",
            name=op.f("jobs_state_check"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("jobs_pkey")),
        schema="plumbline",
    )
    op.create_index("jobs_created_idx", "jobs", ["created_at"], unique=False, schema="plumbline")
    op.create_index(
        "jobs_deadline_idx",
        "jobs",
        ["deadline"],
        unique=False,
        schema="plumbline",
        postgresql_where=sa.text("deadline IS NOT NULL AND state IN ('queued', 'leased')"),
    )
    op.create_index(
        "jobs_leased_idx",
        "jobs",
        ["lease_until"],
        unique=False,
        schema="plumbline",
        postgresql_where=sa.text("state = 'leased'"),
    )
    op.create_index(
        "jobs_queued_idx",
        "jobs",
        ["published_at"],
        unique=False,
        schema="plumbline",
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "jobs_set_aside_idx",
        "jobs",
        ["finished_at"],
        unique=False,
        schema="plumbline",
        postgresql_where=sa.text("state IN ('quarantined', 'rejected', 'expired')"),
    )
    op.create_index(
        "jobs_source_idx", "jobs", ["source", "created_at"], unique=False, schema="plumbline"
    )
    op.create_table(
        "model_versions",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("manifest_sha256", sa.Text(), nullable=False),
        sa.Column(
            "labels", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("metrics", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "registered_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("model", name=op.f("model_versions_pkey")),
        schema="plumbline",
    )
    op.create_table(
        "deployments",
        sa.Column("id", sa.BIGINT(), sa.Identity(always=True), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("deployed_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("forced", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "deployed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["model"], ["plumbline.model_versions.model"], name=op.f("deployments_model_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("deployments_pkey")),
        schema="plumbline",
    )
    op.create_table(
        "drift_values",
        sa.Column("report_id", sa.BIGINT(), nullable=False),
        sa.Column("feature", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("value", sa.DOUBLE_PRECISION(), nullable=False),
        sa.Column("threshold", sa.DOUBLE_PRECISION(), nullable=False),
        sa.Column("drifted", sa.Boolean(), nullable=False),
        sa.Column("histogram", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["report_id"],
            ["plumbline.drift_reports.id"],
            name=op.f("drift_values_report_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("report_id", "feature", name=op.f("drift_values_pkey")),
        schema="plumbline",
    )
    op.create_table(
        "labels",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("label", sa.SMALLINT(), nullable=False),
        sa.Column(
            "labelled_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("label IN (0, 1)", name=op.f("labels_label_check")),
        sa.ForeignKeyConstraint(["job_id"], ["plumbline.jobs.id"], name=op.f("labels_job_id_fkey")),
        sa.PrimaryKeyConstraint("job_id", "source", name=op.f("labels_pkey")),
        schema="plumbline",
    )
    op.create_index(
        "labels_labelled_idx", "labels", ["labelled_at"], unique=False, schema="plumbline"
    )
    op.create_table(
        "predictions",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("probability", sa.DOUBLE_PRECISION(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("confidence", sa.DOUBLE_PRECISION(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("ranked", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("windows", sa.Integer(), nullable=False),
        sa.Column("window_rule", sa.Text(), nullable=False),
        sa.Column("features", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("queue_ms", sa.DOUBLE_PRECISION(), nullable=False),
        sa.Column("score_ms", sa.DOUBLE_PRECISION(), nullable=False),
        sa.Column(
            "scored_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.CheckConstraint(
            "decision IN ('positive', 'negative', 'review')",
            name=op.f("predictions_decision_check"),
        ),
        sa.CheckConstraint("role IN ('live', 'shadow')", name=op.f("predictions_role_check")),
        sa.ForeignKeyConstraint(
            ["job_id"], ["plumbline.jobs.id"], name=op.f("predictions_job_id_fkey")
        ),
        sa.PrimaryKeyConstraint("job_id", "role", name=op.f("predictions_pkey")),
        schema="plumbline",
    )
    op.create_index(
        "predictions_scored_idx", "predictions", ["scored_at"], unique=False, schema="plumbline"
    )
    op.execute(RESULTS)


def downgrade() -> None:
    op.execute("DROP VIEW plumbline.results")
    for table in (
        "predictions",
        "labels",
        "drift_values",
        "drift_reports",
        "deployments",
        "model_versions",
        "jobs",
    ):
        op.drop_table(table, schema="plumbline")
