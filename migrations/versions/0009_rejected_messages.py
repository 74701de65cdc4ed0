"""Keep a row per rejected message, and the time before which a job is not scored.

Revision: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# The next migration's procedure `grant_roles` grants the same if the role is created later.
GRANT = """
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'plumbline_reader') THEN
        GRANT SELECT ON plumbline.rejected_messages TO plumbline_reader;
    END IF;
END
$$
"""


def upgrade() -> None:
    op.add_column("jobs", sa.Column("not_before", sa.TIMESTAMP(timezone=True)), schema="plumbline")
    op.create_index(
        "jobs_unpublished_idx",
        "jobs",
        [sa.text("coalesce(not_before, '-infinity'::timestamptz)")],
        schema="plumbline",
        postgresql_where=sa.text("state = 'queued' AND published_at IS NULL"),
    )
    op.create_table(
        "rejected_messages",
        sa.Column("id", sa.BIGINT(), sa.Identity(always=True), primary_key=True),
        sa.Column("message_id", sa.Text()),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("task", sa.Text()),
        sa.Column("source", sa.Text()),
        sa.Column("job_id", postgresql.UUID()),
        sa.Column("key", sa.Text()),
        sa.Column("position", sa.INTEGER()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BIGINT()),
        sa.Column(
            "rejected_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.func.now(),
            nullable=False,
        ),
        schema="plumbline",
    )
    op.execute(GRANT)


def downgrade() -> None:
    op.drop_table("rejected_messages", schema="plumbline")
    op.drop_index("jobs_unpublished_idx", "jobs", schema="plumbline")
    op.drop_column("jobs", "not_before", schema="plumbline")
