"""Bind sources to roles of PostgreSQL and to queues of Redis; record who wrote a label.

Revision: 0011
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import sqlalchemy as sa
from alembic import op

from migrations import submission_0010

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# Copies from `plumbline_client.identity`, because a migration does not change when the code does.
LONGEST_SOURCE = 200
LONGEST_KEY = 500

# A SECURITY DEFINER function cannot ask with current_user, and SET ROLE does not change
# session_user: it is the login, or what a superuser made of it.
IS_OPERATOR = """
CREATE FUNCTION plumbline.is_operator() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT pg_has_role(session_user, relowner, 'MEMBER')
FROM pg_class WHERE oid = CAST('plumbline.jobs' AS regclass)
$$
"""

# A role is compared by its name and may have been dropped: then the source belongs to nobody else.
MAY_USE_SOURCE = """
CREATE OR REPLACE FUNCTION plumbline.may_use_source(source text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT plumbline.is_operator() OR CASE
    WHEN EXISTS (SELECT FROM plumbline.sources AS bound WHERE bound.name = $1 AND bound.queue)
         OR EXISTS (SELECT FROM plumbline.source_roles AS bound WHERE bound.source = $1)
    THEN EXISTS (
        SELECT FROM plumbline.source_roles AS bound
        JOIN pg_roles AS roles ON roles.rolname = bound.role
        WHERE bound.source = $1 AND pg_has_role(session_user, roles.oid, 'MEMBER')
    )
    ELSE NOT EXISTS (SELECT FROM plumbline.source_policy AS policy WHERE policy.closed)
END
$$
"""

REQUIRE_SOURCE = """
CREATE OR REPLACE FUNCTION plumbline.require_source(source text) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT plumbline.may_use_source(source) THEN
        RAISE EXCEPTION 'The role % may not use the source %; an operator allows it with '
            '`plumbline sources bind % --role %`',
            quote_ident(session_user), quote_literal(left(source, 200)),
            quote_literal(left(source, 200)), quote_literal(session_user)
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$
"""
MAY_LABEL_AS = """
CREATE FUNCTION plumbline.may_label_as(labeller text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT $1 = session_user OR plumbline.is_operator() OR EXISTS (
    SELECT FROM plumbline.labellers AS granted
    JOIN pg_roles AS roles ON roles.rolname = granted.grantee
    WHERE granted.name = $1 AND granted.kind = 'role'
      AND pg_has_role(session_user, roles.oid, 'MEMBER')
)
$$
"""

# Who was granted a labeller's name is trusted with the texts of all sources.
MAY_LABEL = """
CREATE FUNCTION plumbline.may_label(source text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT plumbline.may_use_source($1) OR EXISTS (
    SELECT FROM plumbline.labellers AS granted
    JOIN pg_roles AS roles ON roles.rolname = granted.grantee
    WHERE granted.kind = 'role' AND pg_has_role(session_user, roles.oid, 'MEMBER')
)
$$
"""

# As in 0004, with the rights of the session's user. A job of a source that this user may not label
# is answered like one that does not exist, so that nobody learns which ids exist.
LABEL = f"""
CREATE OR REPLACE FUNCTION plumbline.label_v1(
    job uuid DEFAULT NULL, label text DEFAULT NULL, said_by text DEFAULT NULL,
    key text DEFAULT NULL, source text DEFAULT 'default'
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    teller text := coalesce(said_by, session_user);
    wrong text := 'said_by ' || plumbline.fault(teller, {LONGEST_SOURCE});
    names text[];
    submitter text;
    said int;
    before int;
BEGIN
    IF (job IS NULL) = (key IS NULL) THEN
        wrong := coalesce(wrong, 'the job is named by job, or by key and source');
    ELSIF key IS NOT NULL THEN
        wrong := coalesce(wrong, 'the key ' || plumbline.fault(key, {LONGEST_KEY}),
                          'the source ' || plumbline.fault(source, {LONGEST_SOURCE}),
                          CASE WHEN source IS NULL THEN 'the source is NULL' END);
    END IF;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'The label is not taken: %.', wrong
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF NOT plumbline.may_label_as(teller) THEN
        RAISE EXCEPTION 'The role % may not label as %; without said_by it labels under its own '
            'name, and an operator allows another with `plumbline labellers grant % --role %`',
            quote_ident(session_user), quote_literal(teller), quote_literal(teller),
            quote_literal(session_user)
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF key IS NOT NULL AND NOT plumbline.may_label(source) THEN
        PERFORM plumbline.require_source(source);
    END IF;
    job := coalesce(job, plumbline.keyed_id_v1(source, key));
    SELECT versions.labels, jobs.source INTO names, submitter FROM plumbline.jobs AS jobs
    LEFT JOIN plumbline.predictions AS live ON live.job_id = jobs.id AND live.role = 'live'
    LEFT JOIN plumbline.model_versions AS versions ON versions.model = live.model
    WHERE jobs.id = job;
    IF NOT FOUND OR NOT plumbline.may_label(submitter) THEN
        RETURN 'unknown_job';
    END IF;
    said := CASE WHEN label IN ('0', '1') THEN CAST(label AS int)
                 ELSE array_position(names, label) - 1 END;
    IF said IS NULL THEN
        RETURN 'unusable';
    END IF;
    SELECT labels.label INTO before FROM plumbline.labels AS labels
    WHERE labels.job_id = job AND labels.source = teller FOR UPDATE;
    INSERT INTO plumbline.labels AS labels (job_id, source, label, labelled_at, recorded_by)
    VALUES (job, teller, said, clock_timestamp(), 'role:' || session_user)
    ON CONFLICT ON CONSTRAINT labels_pkey DO UPDATE
    SET label = excluded.label, labelled_at = excluded.labelled_at,
        recorded_by = excluded.recorded_by;
    RETURN CASE WHEN before IS NULL THEN 'accepted' WHEN before = said THEN 'known'
                ELSE 'changed' END;
END
$$
"""

# Everybody may ask what they themselves may do, since a command needs the answer with any role.
# A role that may do nothing in the schema cannot call them.
GRANTS = """
GRANT EXECUTE ON FUNCTION plumbline.is_operator, plumbline.may_use_source,
    plumbline.require_source, plumbline.may_label_as, plumbline.may_label TO PUBLIC
"""

TABLES = ("labellers", "source_policy", "source_roles", "sources")


def upgrade() -> None:
    make_tables()
    op.execute("INSERT INTO plumbline.source_policy DEFAULT VALUES")
    op.add_column("labels", sa.Column("recorded_by", sa.Text(), nullable=True), schema="plumbline")
    for statement in (
        IS_OPERATOR,
        MAY_USE_SOURCE,
        REQUIRE_SOURCE,
        MAY_LABEL_AS,
        MAY_LABEL,
        LABEL,
        GRANTS,
    ):
        op.execute(statement)


def downgrade() -> None:
    for earlier in (
        submission_0010.REQUIRE_SOURCE,
        submission_0010.MAY_USE_SOURCE,
        import_module("migrations.versions.0004_quality").LABEL,
    ):
        op.execute(earlier.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    op.execute(
        "REVOKE ALL ON FUNCTION plumbline.require_source, plumbline.may_use_source FROM PUBLIC"
    )
    op.execute("DROP FUNCTION plumbline.may_label, plumbline.may_label_as, plumbline.is_operator")
    op.drop_column("labels", "recorded_by", schema="plumbline")
    for table in TABLES:
        op.drop_table(table, schema="plumbline")


def words(name: str, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def moment(name: str) -> sa.Column[Any]:
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
    )


def flag(name: str, default: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean(), server_default=sa.text(default), nullable=False)


def make_tables() -> None:
    op.create_table(
        "sources",
        words("name"),
        flag("queue", "false"),
        words("changed_by"),
        moment("changed_at"),
        sa.PrimaryKeyConstraint("name", name=op.f("sources_pkey")),
        schema="plumbline",
    )
    op.create_table(
        "source_roles",
        words("source"),
        words("role"),
        sa.ForeignKeyConstraint(
            ["source"],
            ["plumbline.sources.name"],
            name=op.f("source_roles_source_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("source", "role", name=op.f("source_roles_pkey")),
        schema="plumbline",
    )
    op.create_table(
        "source_policy",
        flag("singleton", "true"),
        flag("closed", "false"),
        words("changed_by", nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("singleton", name=op.f("source_policy_singleton_check")),
        sa.PrimaryKeyConstraint("singleton", name=op.f("source_policy_pkey")),
        schema="plumbline",
    )
    op.create_table(
        "labellers",
        words("name"),
        words("kind"),
        words("grantee"),
        words("granted_by"),
        moment("granted_at"),
        sa.CheckConstraint("kind IN ('role', 'source')", name=op.f("labellers_kind_check")),
        sa.PrimaryKeyConstraint("name", "kind", "grantee", name=op.f("labellers_pkey")),
        schema="plumbline",
    )
