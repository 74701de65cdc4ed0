"""Key the hashes of texts, and report a key that comes with another text.

Revision: 0010
"""

from __future__ import annotations

from importlib import import_module

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import client_0010
from migrations import submission_0010 as functions

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

NOTIFY = "PERFORM plumbline.notify_relay()"

GRANT = """
CREATE OR REPLACE PROCEDURE plumbline.grant_roles()
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'plumbline_producer') THEN
        GRANT USAGE ON SCHEMA plumbline TO plumbline_producer;
        GRANT EXECUTE ON FUNCTION plumbline.submit_v1, plumbline.label_v1 TO plumbline_producer;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'plumbline_reader') THEN
        GRANT USAGE ON SCHEMA plumbline TO plumbline_reader;
        GRANT EXECUTE ON FUNCTION plumbline.keyed_id_v1 TO plumbline_reader;
        GRANT SELECT ON plumbline.results, plumbline.predictions, plumbline.labels,
            plumbline.model_versions, plumbline.deployments, plumbline.drift_reports,
            plumbline.drift_values, plumbline.quality, plumbline.quality_reports,
            plumbline.quality_values, plumbline.alerts, plumbline.alert_notices,
            plumbline.rejected_messages TO plumbline_reader;
    END IF;
END
$$
"""


def upgrade() -> None:
    op.create_table(
        "installation",
        sa.Column("singleton", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("inner_key", postgresql.BYTEA(), nullable=False),
        sa.Column("outer_key", postgresql.BYTEA(), nullable=False),
        sa.Column("hashes_keyed_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("singleton", name=op.f("installation_singleton_check")),
        sa.PrimaryKeyConstraint("singleton", name=op.f("installation_pkey")),
        schema="plumbline",
    )
    op.execute(functions.SECRET)
    op.add_column("jobs", sa.Column("text_hash", postgresql.BYTEA()), schema="plumbline")
    op.alter_column("jobs", "text_sha256", nullable=True, schema="plumbline")
    op.create_index(
        "rejected_messages_message_idx", "rejected_messages", ["message_id"], schema="plumbline"
    )
    for statement in (
        functions.KEYED_HASH,
        functions.KEY_TEXT_HASH,
        functions.TRIGGER,
        functions.FAULT,
        functions.TEXT_FAULT,
        functions.TEXT_DIGEST,
        functions.REQUIRE_PRODUCER,
        functions.REQUIRE_SOURCE,
        functions.MAY_USE_SOURCE,
        functions.USABLE_SOURCES,
        functions.SUBMIT.format(notify=NOTIFY),
        *client_0010.FUNCTIONS,
        "REVOKE ALL ON FUNCTION " + named(functions.PRIVATE) + " FROM PUBLIC",
        GRANT,
        "CALL plumbline.grant_roles()",
    ):
        op.execute(statement)


def downgrade() -> None:
    """Go back to hashes without a secret. Those that are keyed already stay what they are."""
    op.execute("DROP TRIGGER jobs_key_text_hash ON plumbline.jobs")
    op.execute("DROP FUNCTION " + named(client_0010.NAMES))
    op.execute(
        import_module("migrations.versions.0002_submit_v1").FAULT.replace(
            "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"
        )
    )
    op.execute(import_module("migrations.versions.0008_locks").SUBMIT)
    op.execute("DROP FUNCTION " + named(functions.PRIVATE))
    op.drop_index("rejected_messages_message_idx", "rejected_messages", schema="plumbline")
    op.execute("UPDATE plumbline.jobs SET text_sha256 = text_hash WHERE text_sha256 IS NULL")
    op.alter_column("jobs", "text_sha256", nullable=False, schema="plumbline")
    op.drop_column("jobs", "text_hash", schema="plumbline")
    op.drop_table("installation", schema="plumbline")


def named(names: tuple[str, ...]) -> str:
    return ", ".join(f"plumbline.{name}" for name in names)
