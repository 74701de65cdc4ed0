"""Add notes to predictions: what the model could not read of the text. The view shows them.

Revision: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# The same columns in the same order, so that views and grants of other users stay valid.
RESULTS = """
CREATE OR REPLACE VIEW plumbline.results AS
SELECT jobs.id AS job_id, jobs.source, jobs.key, jobs.state, jobs.error, {notes} AS notes,
       jobs.attempts, jobs.created_at, jobs.finished_at, live.model, live.probability, live.label,
       live.confidence, live.decision, live.tokens, live.windows, live.window_rule, live.ranked,
       live.queue_ms, live.score_ms, live.scored_at, jobs.text
FROM plumbline.jobs AS jobs
LEFT JOIN plumbline.predictions AS live ON live.job_id = jobs.id AND live.role = 'live'
"""


def upgrade() -> None:
    op.add_column(
        "predictions",
        sa.Column(
            "notes", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        schema="plumbline",
    )
    # Without a prediction its notes are NULL, which `||` ignores.
    op.execute(RESULTS.format(notes="jobs.notes || live.notes"))


def downgrade() -> None:
    op.execute(RESULTS.format(notes="jobs.notes"))
    op.drop_column("predictions", "notes", schema="plumbline")
