"""Record when each periodic task last began, by PostgreSQL's clock.

Revision: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "periodic_tasks",
        sa.Column("task", sa.Text(), primary_key=True),
        sa.Column("every_s", sa.DOUBLE_PRECISION(), nullable=False),
        sa.Column(
            "first_scheduled_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.func.now(),
            nullable=False,
        ),
        sa.Column("began_at", sa.TIMESTAMP(timezone=True)),
        schema="plumbline",
    )


def downgrade() -> None:
    op.drop_table("periodic_tasks", schema="plumbline")
