"""Delete what errors quote of texts: the messages of exceptions that are not Plumbline's own.

Revision: 0012
"""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# Earlier releases wrote "ValueError: ..." for an exception of any class, after "given up after 3
# attempts: " in the last attempt, and after "discarded by ...; " when the text was discarded. The
# class stays. Reasons of Plumbline's own begin with several words.
WITHOUT_MESSAGE = r"""
CREATE FUNCTION plumbline.without_message(error text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT left(error, start)
       || regexp_replace(substr(error, start + 1),
                         '^(given up after \d+ attempts: )?(\w+): .*$', '\1\2')
FROM (SELECT CASE WHEN starts_with(error, 'discarded by ')
                  THEN greatest(position('; given up after ' IN error) + 1, 0)
                  ELSE 0 END AS start) AS reason
$$
"""

# Jobs of other states have reasons of Plumbline's own, and those of a cancellation are a person's.
# Each statement goes along an index; a row that a worker holds gets a new reason soon, and `db
# purge` and `quarantine discard` clean the rest.
CLEAN = """
UPDATE plumbline.jobs SET error = plumbline.without_message(error)
WHERE id IN (
    SELECT id FROM plumbline.jobs
    WHERE {condition} AND error IS DISTINCT FROM plumbline.without_message(error)
    FOR UPDATE SKIP LOCKED
)
"""
CONDITIONS = (
    "state = 'quarantined' AND state IN ('quarantined', 'rejected', 'expired')",
    "state = 'queued'",
    "state = 'leased'",
)


def upgrade() -> None:
    op.execute(WITHOUT_MESSAGE)
    for condition in CONDITIONS:
        op.execute(CLEAN.format(condition=condition))


def downgrade() -> None:
    op.execute("DROP FUNCTION plumbline.without_message(text)")
