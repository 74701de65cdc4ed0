"""Create `plumbline.submit_v1` for submission in SQL, and the roles of producers and readers.

Revision: 0002
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Copies from `plumbline_client.identity` and `plumbline_client.text`, because a migration does not
# change when the code does. A test checks that they are equal.
NAMESPACE = "1bf8bad3adcf5db09ecbde4d4dbcadc1"
LONGEST_SOURCE = 200
LONGEST_KEY = 500
MAX_TEXT_CHARS = 200_000
# The characters that Python's str.strip() removes.
SPACES = (
    r"\u0009\u000a\u000b\u000c\u000d\u001c\u001d\u001e\u001f\u0020\u0085\u00a0\u1680"
    r"\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029"
    r"\u202f\u205f\u3000"
)

KEYED_ID = f"""
CREATE FUNCTION plumbline.keyed_id_v1(source text, key text) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH named AS (
        SELECT substring(sha256(
            decode('{NAMESPACE}', 'hex') || convert_to('key', 'UTF8') || decode('00', 'hex')
            || convert_to(source, 'UTF8') || decode('00', 'hex') || convert_to(key, 'UTF8')
        ) FROM 1 FOR 16) AS bytes
    ), marked AS (
        SELECT set_byte(bytes, 6, get_byte(bytes, 6) & 15 | 128) AS bytes FROM named
    )
    SELECT CAST(encode(set_byte(bytes, 8, get_byte(bytes, 8) & 63 | 128), 'hex') AS uuid)
    FROM marked;
END
"""

FAULT = """
CREATE FUNCTION plumbline.fault(value text, longest int) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN value = '' THEN 'is empty'
    WHEN char_length(value) > longest
        THEN 'has ' || to_char(char_length(value), 'FM999,999,999,999')
             || ' characters, and at most ' || longest || ' are accepted'
END
"""

# PostgreSQL's text contains neither NUL nor lone surrogates, so nothing is replaced here. The times
# are clock_timestamp(), because the caller may have begun the transaction long before.
SUBMIT = f"""
CREATE FUNCTION plumbline.submit_v1(
    text text, key text DEFAULT NULL, source text DEFAULT 'default',
    deadline timestamptz DEFAULT NULL
) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job uuid;
    wrong text := coalesce(plumbline.fault(source, {LONGEST_SOURCE}),
                           CASE WHEN source IS NULL THEN 'is NULL' END);
BEGIN
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'The source %.', wrong USING ERRCODE = 'invalid_parameter_value';
    END IF;
    wrong := 'the key ' || plumbline.fault(key, {LONGEST_KEY});
    IF wrong IS NOT NULL THEN
        key := NULL;
        deadline := NULL;
    END IF;
    job := CASE WHEN key IS NULL THEN gen_random_uuid()
                ELSE plumbline.keyed_id_v1(source, key) END;
    wrong := coalesce(wrong, CASE
        WHEN text IS NULL THEN 'the text is NULL, not a string'
        WHEN char_length(text) > {MAX_TEXT_CHARS}
            THEN 'the text has ' || to_char(char_length(text), 'FM999,999,999,999')
                 || ' characters, and at most {MAX_TEXT_CHARS:,} are accepted'
        WHEN btrim(text, E'{SPACES}') = '' THEN 'the text is empty'
    END);
    -- Programs cannot read the infinite ones.
    deadline := CASE WHEN deadline < '9999-12-31' THEN greatest(deadline, '0001-01-02') END;
    INSERT INTO plumbline.jobs
        (id, source, key, text, text_sha256, deadline, error, state, created_at, finished_at)
    VALUES (job, source, key, CASE WHEN wrong IS NULL THEN text END,
            sha256(convert_to(coalesce(text, ''), 'UTF8')), deadline, wrong,
            CASE WHEN wrong IS NULL THEN 'queued' ELSE 'rejected' END, clock_timestamp(),
            CASE WHEN wrong IS NOT NULL THEN clock_timestamp() END)
    ON CONFLICT (id) DO NOTHING;
    IF FOUND AND wrong IS NULL THEN
        PERFORM pg_notify('plumbline_jobs', '');
    END IF;
    RETURN job;
END
$$
"""

# Roles belong to the server: another database may have created them, or may be creating them now. A
# user without the right to create roles gets a notice, and everything else works.
ROLES = """
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['plumbline_producer', 'plumbline_reader'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            END IF;
        EXCEPTION
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'The role % is not made, since % may not make roles; '
                    'docs/sql.md says how to do it later.', wanted, current_user;
            WHEN duplicate_object OR unique_violation THEN
                NULL;
        END;
    END LOOP;
END
$$
"""

# To be called again if the roles are created later.
GRANT = """
CREATE PROCEDURE plumbline.grant_roles()
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'plumbline_producer') THEN
        GRANT USAGE ON SCHEMA plumbline TO plumbline_producer;
        GRANT EXECUTE ON FUNCTION plumbline.submit_v1 TO plumbline_producer;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'plumbline_reader') THEN
        GRANT USAGE ON SCHEMA plumbline TO plumbline_reader;
        GRANT EXECUTE ON FUNCTION plumbline.keyed_id_v1 TO plumbline_reader;
        GRANT SELECT ON plumbline.results, plumbline.predictions, plumbline.labels,
            plumbline.model_versions, plumbline.deployments, plumbline.drift_reports,
            plumbline.drift_values TO plumbline_reader;
    END IF;
END
$$
"""

TAKE_FROM_EVERYBODY = """
REVOKE ALL ON ROUTINE plumbline.submit_v1, plumbline.keyed_id_v1, plumbline.fault,
    plumbline.grant_roles FROM PUBLIC
"""

# The roles stay, because other databases may use them.
REVOKE = """
DO $$
DECLARE
    granted text;
BEGIN
    FOR granted IN
        SELECT rolname FROM pg_roles WHERE rolname IN ('plumbline_producer', 'plumbline_reader')
    LOOP
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA plumbline FROM %I', granted);
        EXECUTE format('REVOKE ALL ON SCHEMA plumbline FROM %I', granted);
    END LOOP;
END
$$
"""


def upgrade() -> None:
    for statement in (KEYED_ID, FAULT, SUBMIT, GRANT, TAKE_FROM_EVERYBODY, ROLES):
        op.execute(statement)
    op.execute("CALL plumbline.grant_roles()")


def downgrade() -> None:
    op.execute("DROP PROCEDURE plumbline.grant_roles")
    op.execute("DROP FUNCTION plumbline.submit_v1, plumbline.keyed_id_v1, plumbline.fault")
    op.execute(REVOKE)
