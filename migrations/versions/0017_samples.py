"""Draw samples along indexes, and record from how many predictions a quality report is made.

Revision: 0017
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations import indexes_0015, quality_0014
from migrations.indexes_0017 import INDEXES, REPLACED

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

LAST_COLUMN = "reports.id AS report_id"
VIEW = quality_0014.VIEW.replace(LAST_COLUMN, f"{LAST_COLUMN}, reports.sampled_rows")


def upgrade() -> None:
    op.add_column("quality_reports", sa.Column("sampled_rows", sa.BIGINT()), schema="plumbline")
    op.execute(VIEW)
    for name, definition in INDEXES.items():
        op.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {definition}")
    for name in REPLACED:
        op.execute(f"DROP INDEX plumbline.{name}")


def downgrade() -> None:
    for name in REPLACED:
        op.execute(f"CREATE INDEX {name} ON {indexes_0015.INDEXES[name]}")
    for name in INDEXES:
        op.execute(f"DROP INDEX plumbline.{name}")
    op.execute("DROP VIEW plumbline.quality")
    op.execute(quality_0014.VIEW)
    op.execute("CALL plumbline.grant_roles()")
    op.drop_column("quality_reports", "sampled_rows", schema="plumbline")
