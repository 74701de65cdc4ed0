"""Keep queries fast with millions of finished jobs: indexes, and when the tables are vacuumed.

Revision: 0015
"""

from __future__ import annotations

from alembic import op

from migrations import quality_0014
from migrations.indexes_0015 import INDEXES

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

EARLIER_STATUS = quality_0014.STATUS.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
OVERLAP = "reports.window_from <= $4 AND reports.window_to >= $3"
# The form that the index has; the order of a report's times is not checked when it is written.
INDEXED_OVERLAP = """tstzrange(least(window_from, window_to),
                      greatest(window_from, window_to), '[]')
            && tstzrange(least($3, $4), greatest($3, $4), '[]')"""
STATUS = EARLIER_STATUS.replace(OVERLAP, f"{OVERLAP}\n      AND {INDEXED_OVERLAP}")


def upgrade() -> None:
    for name, definition in INDEXES.items():
        op.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {definition}")
    op.execute(STATUS)


def downgrade() -> None:
    op.execute(EARLIER_STATUS)
    for name in INDEXES:
        op.execute(f"DROP INDEX plumbline.{name}")
