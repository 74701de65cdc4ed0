"""Record accepted references, how labels were sampled, and metrics from predictions and labels.

Revision: 0014
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SAMPLINGS = "sampling IN ('random', 'uncertain', 'unfamiliar')"
REFERENCES = "reference IN ('profile', 'window', 'accepted')"
EARLIER_REFERENCES = "reference IN ('profile', 'window')"


def upgrade() -> None:
    op.add_column("labels", sa.Column("sampling", sa.Text()), schema="plumbline")
    op.create_check_constraint(
        op.f("labels_sampling_check"), "labels", SAMPLINGS, schema="plumbline"
    )
    create_accepted_references()
    op.add_column(
        "drift_reports",
        sa.Column("accepted_id", sa.BIGINT(), sa.ForeignKey("plumbline.accepted_references.id")),
        schema="plumbline",
    )
    replace_reference_check(REFERENCES)
    op.add_column(
        "quality_reports",
        sa.Column("labelled_sources", sa.ARRAY(sa.Text())),
        schema="plumbline",
    )
    for name in ("combined", "combined_low", "combined_high"):
        op.add_column("quality_values", sa.Column(name, sa.DOUBLE_PRECISION()), schema="plumbline")


def downgrade() -> None:
    for name in ("combined_high", "combined_low", "combined"):
        op.drop_column("quality_values", name, schema="plumbline")
    op.drop_column("quality_reports", "labelled_sources", schema="plumbline")
    op.execute("DELETE FROM plumbline.drift_reports WHERE reference = 'accepted'")
    replace_reference_check(EARLIER_REFERENCES)
    op.drop_column("drift_reports", "accepted_id", schema="plumbline")
    op.drop_table("accepted_references", schema="plumbline")
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


def replace_reference_check(condition: str) -> None:
    name = op.f("drift_reports_reference_check")
    op.drop_constraint(name, "drift_reports", schema="plumbline")
    op.create_check_constraint(name, "drift_reports", condition, schema="plumbline")


def moment(name: str, nullable: bool = True, server_default: Any = None) -> sa.Column[Any]:
    return sa.Column(
        name, sa.TIMESTAMP(timezone=True), nullable=nullable, server_default=server_default
    )
