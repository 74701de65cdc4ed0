"""Vacuum and analyze the two large tables after a smaller share of changed rows.

Revision: 0016
"""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# Each job leaves two dead rows, and PostgreSQL would wait until a fifth of all rows is dead. The
# estimates of `storage.reports.job_counts` are those of the last ANALYZE. No update of a job is
# heap-only, because its state is in the conditions of indexes, so free space in pages gains nothing
# and the fillfactor stays.
SETTINGS = {
    "jobs": {
        "autovacuum_vacuum_scale_factor": "0.02",
        "autovacuum_analyze_scale_factor": "0.02",
    },
    # Inserted rows alone; a vacuum marks their pages for scans of an index alone.
    "predictions": {
        "autovacuum_vacuum_insert_scale_factor": "0.05",
        "autovacuum_analyze_scale_factor": "0.02",
    },
}


def upgrade() -> None:
    for table, settings in SETTINGS.items():
        values = ", ".join(f"{name} = {value}" for name, value in settings.items())
        op.execute(f"ALTER TABLE plumbline.{table} SET ({values})")


def downgrade() -> None:
    for table, settings in SETTINGS.items():
        op.execute(f"ALTER TABLE plumbline.{table} RESET ({', '.join(settings)})")
