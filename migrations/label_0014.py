"""`plumbline.label_v1` with the argument `sampling`, for the migration 0014."""

from __future__ import annotations

from importlib import import_module

from alembic import op

EARLIER = import_module("migrations.versions.0011_sources").LABEL
EARLIER_ARGUMENTS = "uuid, text, text, text, text"
ARGUMENTS = f"{EARLIER_ARGUMENTS}, text"

# A text of a random sample stays one, whatever else it is chosen for; a label without a sampling
# does not change how the text was chosen.
SAMPLING = """CASE WHEN 'random' IN (labels.sampling, excluded.sampling) THEN 'random'
             ELSE coalesce(excluded.sampling, labels.sampling) END"""

SIGNATURE = "key text DEFAULT NULL, source text DEFAULT 'default'"
INVALID_JOB = "    IF (job IS NULL) = (key IS NULL) THEN"
INVALID_SAMPLING = """\
    IF sampling NOT IN ('random', 'uncertain', 'unfamiliar') THEN
        wrong := coalesce(wrong, 'the sampling is none of random, uncertain, unfamiliar');
    END IF;
"""
INSERT = """\
    INSERT INTO plumbline.labels AS labels (job_id, source, label, labelled_at, recorded_by)
    VALUES (job, teller, said, clock_timestamp(), 'role:' || session_user)"""
RECORDED_BY = "recorded_by = excluded.recorded_by;"


def with_sampling(function: str) -> str:
    """Return the function of 0011 with the argument and the column."""
    for earlier, later in (
        (SIGNATURE, f"{SIGNATURE},\n    sampling text DEFAULT NULL"),
        (INVALID_JOB, INVALID_SAMPLING + INVALID_JOB),
        (
            INSERT,
            INSERT.replace("recorded_by)", "recorded_by,\n        sampling)").replace(
                "session_user)", "session_user, sampling)"
            ),
        ),
        (RECORDED_BY, f"{RECORDED_BY[:-1]},\n        sampling = {SAMPLING};"),
    ):
        assert function.count(earlier) == 1, earlier
        function = function.replace(earlier, later)
    return function


# Also what an operator granted beside `plumbline.grant_roles`. 0 is PUBLIC.
COPY_GRANTS = """
DO $$
DECLARE
    granted record;
BEGIN
    FOR granted IN
        SELECT acl.grantee, acl.is_grantable
        FROM pg_catalog.pg_proc AS functions,
             LATERAL pg_catalog.aclexplode(functions.proacl) AS acl
        WHERE functions.oid = CAST('plumbline.label_v1({old})' AS regprocedure)
          AND acl.grantee <> functions.proowner
    LOOP
        EXECUTE format(
            'GRANT EXECUTE ON FUNCTION plumbline.label_v1({new}) TO %s%s',
            CASE WHEN granted.grantee = 0 THEN 'PUBLIC'
                 ELSE CAST(CAST(granted.grantee AS regrole) AS text) END,
            CASE WHEN granted.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
    END LOOP;
END
$$
"""


def upgrade() -> None:
    """Replace the function. With both, a call without the new argument would be ambiguous."""
    _replace(with_sampling(EARLIER), EARLIER_ARGUMENTS, ARGUMENTS)


def downgrade() -> None:
    _replace(EARLIER, ARGUMENTS, EARLIER_ARGUMENTS)


def _replace(function: str, old: str, new: str) -> None:
    for statement in (
        function,
        f"REVOKE ALL ON FUNCTION plumbline.label_v1({new}) FROM PUBLIC",
        COPY_GRANTS.format(old=old, new=new),
        f"DROP FUNCTION plumbline.label_v1({old})",
    ):
        op.execute(statement)
