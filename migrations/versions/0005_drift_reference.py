"""Add the reference and the false-alarm rate to drift reports, and the verdict `failed`.

Revision: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

VERDICTS = "verdict IN ('stable', 'drift', 'too_little_data'{more})"
REFERENCES = "reference IN ('profile', 'window')"


def upgrade() -> None:
    for column in (
        sa.Column("reference", sa.Text(), server_default="profile", nullable=False),
        sa.Column("reference_from", sa.TIMESTAMP(timezone=True)),
        sa.Column("reference_to", sa.TIMESTAMP(timezone=True)),
        # Before this revision the rate was a setting with this default.
        sa.Column("alpha", sa.DOUBLE_PRECISION(), server_default=sa.text("0.05"), nullable=False),
    ):
        op.add_column("drift_reports", column, schema="plumbline")
    op.create_check_constraint(
        op.f("drift_reports_reference_check"), "drift_reports", REFERENCES, schema="plumbline"
    )
    check_verdict(VERDICTS.format(more=", 'failed'"))


def downgrade() -> None:
    op.execute("DELETE FROM plumbline.drift_reports WHERE verdict = 'failed'")
    check_verdict(VERDICTS.format(more=""))
    for column in ("reference", "reference_from", "reference_to", "alpha"):
        op.drop_column("drift_reports", column, schema="plumbline")


def check_verdict(condition: str) -> None:
    name = op.f("drift_reports_verdict_check")
    op.drop_constraint(name, "drift_reports", schema="plumbline")
    op.create_check_constraint(name, "drift_reports", condition, schema="plumbline")
