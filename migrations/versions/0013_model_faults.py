"""Record where a model version may not be loaded, because it is not the one that was registered.

Revision: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "model_faults",
        sa.Column("model", sa.Text(), primary_key=True),
        sa.Column("machine", sa.Text(), primary_key=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "last_seen_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.func.now(),
            nullable=False,
        ),
        schema="plumbline",
    )


def downgrade() -> None:
    op.drop_table("model_faults", schema="plumbline")
