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

# The predictions of the last hours are counted along an index, which is fast where a vacuum has
# marked their pages. A share of the table would be days in a large one.
COUNTED_SOON = """ALTER TABLE plumbline.predictions SET (
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 20000)"""
EARLIER = """ALTER TABLE plumbline.predictions
SET (autovacuum_vacuum_insert_scale_factor = 0.05), RESET (autovacuum_vacuum_insert_threshold)"""


def upgrade() -> None:
    op.execute(COUNTED_SOON)
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
    op.execute(EARLIER)
