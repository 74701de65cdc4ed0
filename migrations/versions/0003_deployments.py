"""Add a shadow and a canary to deployments, and the deployment that a rollback returns to.

Revision: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

CHECKS = {
    "action": "action IN ('promote', 'rollback', 'shadow', 'canary')",
    "shadow": "shadow <> model",
    "canary": "canary <> model",
    "share": "(canary IS NULL) = (canary_share IS NULL) AND canary_share > 0 AND canary_share < 1",
}

# Before this revision every row was a version that went live, and a rollback returned to the row
# before it.
RETURNS_TO = """
UPDATE plumbline.deployments SET returns_to = before.id
FROM (SELECT id AS row, lag(id) OVER (ORDER BY id) AS id FROM plumbline.deployments) AS before
WHERE deployments.id = before.row
"""


def upgrade() -> None:
    op.add_column("deployments", sa.Column("shadow", sa.Text()), schema="plumbline")
    op.add_column("deployments", sa.Column("canary", sa.Text()), schema="plumbline")
    op.add_column(
        "deployments", sa.Column("canary_share", sa.DOUBLE_PRECISION()), schema="plumbline"
    )
    op.add_column(
        "deployments",
        sa.Column("action", sa.Text(), server_default=sa.text("'promote'"), nullable=False),
        schema="plumbline",
    )
    op.add_column("deployments", sa.Column("returns_to", sa.BIGINT()), schema="plumbline")
    for column, table, named in (
        ("shadow", "model_versions", "model"),
        ("canary", "model_versions", "model"),
        ("returns_to", "deployments", "id"),
    ):
        op.create_foreign_key(
            op.f(f"deployments_{column}_fkey"),
            "deployments",
            table,
            [column],
            [named],
            source_schema="plumbline",
            referent_schema="plumbline",
        )
    for name, condition in CHECKS.items():
        op.create_check_constraint(
            op.f(f"deployments_{name}_check"), "deployments", condition, schema="plumbline"
        )
    op.execute(RETURNS_TO)


def downgrade() -> None:
    # Dropping a column drops its constraints as well.
    for column in ("shadow", "canary", "canary_share", "action", "returns_to"):
        op.drop_column("deployments", column, schema="plumbline")
