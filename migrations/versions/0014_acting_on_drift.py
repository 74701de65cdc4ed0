"""Record accepted references, how labels were sampled, and metrics from predictions and labels.

Revision: 0014
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations import label_0014, quality_0014

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SAMPLINGS = "sampling IN ('random', 'uncertain', 'unfamiliar')"
REFERENCES = "reference IN ('profile', 'window', 'accepted')"
EARLIER_REFERENCES = "reference IN ('profile', 'window')"
VERDICTS = "profile_verdict IN ('stable', 'drift', 'too_little_data', 'failed')"
# The rows of a report that was made before: whoever requested it, it decided the current verdict.
REPORT_FLAGS = {"scheduled": "true", "chosen_window": "false", "chosen_reference": "false"}
BACKFILL = """
UPDATE plumbline.drift_reports SET profile_verdict = verdict
WHERE reference = 'profile' AND verdict IN ('stable', 'drift')
"""
EARLIER_GRANTS = import_module("migrations.versions.0010_submission").GRANT
GRANTS = EARLIER_GRANTS.replace(
    "plumbline.rejected_messages TO",
    "plumbline.rejected_messages, plumbline.accepted_references TO",
)


def upgrade() -> None:
    op.add_column("labels", sa.Column("sampling", sa.Text()), schema="plumbline")
    op.create_check_constraint(
        op.f("labels_sampling_check"), "labels", SAMPLINGS, schema="plumbline"
    )
    label_0014.upgrade()
    create_accepted_references()
    op.add_column(
        "drift_reports",
        sa.Column("accepted_id", sa.BIGINT(), sa.ForeignKey("plumbline.accepted_references.id")),
        schema="plumbline",
    )
    replace_reference_check(REFERENCES)
    add_verdict_columns()
    op.execute(GRANTS)
    op.execute("CALL plumbline.grant_roles()")
    op.add_column(
        "quality_reports",
        sa.Column("labelled_sources", sa.ARRAY(sa.Text())),
        schema="plumbline",
    )
    for name in ("combined", "combined_low", "combined_high"):
        op.add_column("quality_values", sa.Column(name, sa.DOUBLE_PRECISION()), schema="plumbline")
    quality_0014.upgrade()


def downgrade() -> None:
    quality_0014.downgrade()
    for name in ("combined_high", "combined_low", "combined"):
        op.drop_column("quality_values", name, schema="plumbline")
    op.drop_column("quality_reports", "labelled_sources", schema="plumbline")
    op.execute("DELETE FROM plumbline.drift_reports WHERE reference = 'accepted'")
    op.execute(EARLIER_GRANTS)
    op.drop_index("drift_reports_subject_idx", "drift_reports", schema="plumbline")
    for name in ("profile_verdict", *REPORT_FLAGS):
        op.drop_column("drift_reports", name, schema="plumbline")
    replace_reference_check(EARLIER_REFERENCES)
    op.drop_column("drift_reports", "accepted_id", schema="plumbline")
    op.drop_table("accepted_references", schema="plumbline")
    label_0014.downgrade()
    op.drop_column("labels", "sampling", schema="plumbline")


def create_accepted_references() -> None:
    op.create_table(
        "accepted_references",
        sa.Column("id", sa.BIGINT(), sa.Identity(always=True), primary_key=True),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("source", sa.Text()),
        moment("window_from", nullable=False),
        moment("window_to", nullable=False),
        sa.Column("rows", sa.INTEGER(), nullable=False),
        sa.Column("columns", JSONB(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("accepted_by", sa.Text(), nullable=False),
        moment("accepted_at", nullable=False, server_default=sa.func.now()),
        sa.Column("revoked_by", sa.Text()),
        sa.Column("revoked_reason", sa.Text()),
        moment("revoked_at"),
        schema="plumbline",
    )


def add_verdict_columns() -> None:
    op.add_column("drift_reports", sa.Column("profile_verdict", sa.Text()), schema="plumbline")
    op.create_check_constraint(
        op.f("drift_reports_profile_verdict_check"), "drift_reports", VERDICTS, schema="plumbline"
    )
    op.execute(BACKFILL)
    for name, default in REPORT_FLAGS.items():
        op.add_column(
            "drift_reports",
            sa.Column(name, sa.Boolean(), server_default=sa.text(default), nullable=False),
            schema="plumbline",
        )
    op.create_index(
        "drift_reports_subject_idx", "drift_reports", ["model", "source", "id"], schema="plumbline"
    )


def replace_reference_check(condition: str) -> None:
    name = op.f("drift_reports_reference_check")
    op.drop_constraint(name, "drift_reports", schema="plumbline")
    op.create_check_constraint(name, "drift_reports", condition, schema="plumbline")


def moment(name: str, nullable: bool = True, server_default: Any = None) -> sa.Column[Any]:
    return sa.Column(
        name, sa.TIMESTAMP(timezone=True), nullable=nullable, server_default=server_default
    )
