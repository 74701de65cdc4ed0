"""Lock rows instead of advisory locks, and notify only while the queue has room.

Any login can take an advisory lock and fill the server's queue of notifications. A row of this
table can be locked only by those who may change it.

Revision: 0008
"""

from __future__ import annotations

from importlib import import_module

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

LOCKS = ("deploy", "sweep", "evaluate_alerts", "report_quality")

# A transaction whose notification finds no room in the queue cannot be committed. Every role with
# rights on the schema may call it: workers do, and anybody can notify without it.
NOTIFY_RELAY = """
CREATE FUNCTION plumbline.notify_relay() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF pg_notification_queue_usage() < 0.5 THEN
        PERFORM pg_notify('plumbline_jobs', '');
    END IF;
END
$$
"""

EARLIER_SUBMIT: str = import_module("migrations.versions.0002_submit_v1").SUBMIT.replace(
    "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"
)
SUBMIT = EARLIER_SUBMIT.replace(
    "PERFORM pg_notify('plumbline_jobs', '')", "PERFORM plumbline.notify_relay()"
)


def upgrade() -> None:
    locks = op.create_table(
        "locks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("locks_pkey")),
        schema="plumbline",
    )
    op.bulk_insert(locks, [{"name": name} for name in LOCKS])
    for name in ("scheduled_at", "ended_at"):
        op.add_column(
            "periodic_tasks", sa.Column(name, sa.DateTime(timezone=True)), schema="plumbline"
        )
    # Workers of earlier releases record no end; what they began counts as done until now.
    op.execute("UPDATE plumbline.periodic_tasks SET ended_at = began_at")
    op.execute(NOTIFY_RELAY)
    op.execute(SUBMIT)


def downgrade() -> None:
    op.execute(EARLIER_SUBMIT)
    op.execute("DROP FUNCTION plumbline.notify_relay")
    op.drop_column("periodic_tasks", "ended_at", schema="plumbline")
    op.drop_column("periodic_tasks", "scheduled_at", schema="plumbline")
    op.drop_table("locks", schema="plumbline")
