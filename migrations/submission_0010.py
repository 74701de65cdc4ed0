"""The SQL functions of revision 0010: keyed hashes, who may do what, and `submit_v1`.

A migration does not change when the code does, so the values are copies; tests compare them.
"""

from __future__ import annotations

NAMESPACE = "1bf8bad3adcf5db09ecbde4d4dbcadc1"
LONGEST_SOURCE = 200
LONGEST_KEY = 500
MAX_TEXT_CHARS = 200_000
# More bytes than twice the longest accepted value has are refused without reading them.
READ_BYTES_PER_CHAR = 8
READ_TEXT_BYTES = READ_BYTES_PER_CHAR * MAX_TEXT_CHARS
FINGERPRINT_CHARS = 1_000
# The characters that Python's str.strip() removes.
SPACES = (
    r"\u0009\u000a\u000b\u000c\u000d\u001c\u001d\u001e\u001f\u0020\u0085\u00a0\u1680"
    r"\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029"
    r"\u202f\u205f\u3000"
)
NUMBER = "FM999,999,999,999"

# A function of these runs with the rights of the tables' owner, whatever the caller's search path.
# PostgreSQL overestimates the rows of a document and would compile the statement for each call.
DEFINER = "SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off"
# PostgreSQL may keep a plan that it made while the table was small.
BY_ID = f"{DEFINER} SET enable_seqscan = off"

# 256 bits at least of PostgreSQL's strong random generator, which never leave the server. HMAC
# (RFC 2104) needs the secret only as two padded keys.
SECRET = """
DO $$
DECLARE
    secret bytea := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
                           || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
    inner_key bytea := secret || decode(repeat('00', 32), 'hex');
    outer_key bytea := inner_key;
BEGIN
    FOR i IN 0..63 LOOP
        inner_key := set_byte(inner_key, i, get_byte(inner_key, i) # 54);
        outer_key := set_byte(outer_key, i, get_byte(outer_key, i) # 92);
    END LOOP;
    INSERT INTO plumbline.installation (inner_key, outer_key) VALUES (inner_key, outer_key);
END
$$
"""

KEYED_HASH = f"""
CREATE FUNCTION plumbline.keyed_hash(digest bytea) RETURNS bytea
LANGUAGE sql STABLE {DEFINER}
RETURN (SELECT sha256(outer_key || sha256(inner_key || digest)) FROM plumbline.installation)
"""

# Earlier releases insert plain hashes until the last of their processes has ended.
KEY_TEXT_HASH = f"""
CREATE FUNCTION plumbline.key_text_hash() RETURNS trigger
LANGUAGE plpgsql {DEFINER}
AS $$
BEGIN
    NEW.text_hash := coalesce(NEW.text_hash, plumbline.keyed_hash(NEW.text_sha256));
    NEW.text_sha256 := NULL;
    RETURN NEW;
END
$$
"""
TRIGGER = """
CREATE TRIGGER jobs_key_text_hash BEFORE INSERT ON plumbline.jobs
FOR EACH ROW WHEN (NEW.text_sha256 IS NOT NULL) EXECUTE FUNCTION plumbline.key_text_hash()
"""

# `octet_length` comes first: it neither fetches nor decompresses what is stored out of line, and
# neither does PL/pgSQL, whereas a function in SQL does so with each argument.
FAULT = f"""
CREATE OR REPLACE FUNCTION plumbline.fault(value text, longest int) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN CASE
        WHEN octet_length(value) = 0 THEN 'is empty'
        WHEN octet_length(value) > {READ_BYTES_PER_CHAR} * longest
            THEN 'has ' || to_char(octet_length(value), '{NUMBER}')
                 || ' bytes, and at most ' || longest || ' characters are accepted'
        WHEN char_length(value) > longest
            THEN 'has ' || to_char(char_length(value), '{NUMBER}')
                 || ' characters, and at most ' || longest || ' are accepted'
    END;
END
$$
"""

TEXT_FAULT = f"""
CREATE FUNCTION plumbline.text_fault(text text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN CASE
        WHEN text IS NULL THEN 'the text is NULL, not a string'
        WHEN octet_length(text) > {READ_TEXT_BYTES}
            THEN 'the text has ' || to_char(octet_length(text), '{NUMBER}')
                 || ' bytes, and at most {MAX_TEXT_CHARS:,} characters are accepted'
        WHEN char_length(text) > {MAX_TEXT_CHARS}
            THEN 'the text has ' || to_char(char_length(text), '{NUMBER}')
                 || ' characters, and at most {MAX_TEXT_CHARS:,} are accepted'
        WHEN btrim(text, E'{SPACES}') = '' THEN 'the text is empty'
    END;
END
$$
"""

# A text that is too long by its number of bytes has the hash of its length and its beginning.
TEXT_DIGEST = f"""
CREATE FUNCTION plumbline.text_digest(text text) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN CASE
        WHEN octet_length(text) > {READ_TEXT_BYTES}
            THEN sha256(int8send(octet_length(text))
                        || convert_to(left(text, {FINGERPRINT_CHARS}), 'UTF8'))
        ELSE sha256(convert_to(coalesce(text, ''), 'UTF8'))
    END;
END
$$
"""

# The functions of the client check the caller themselves: a role that may insert jobs, like the
# owner's or a worker's, may also submit them. Only roles with USAGE on the schema can call them.
REQUIRE_PRODUCER = f"""
CREATE FUNCTION plumbline.require_producer() RETURNS void
LANGUAGE plpgsql STABLE {DEFINER}
AS $$
BEGIN
    IF has_table_privilege(session_user, 'plumbline.jobs', 'INSERT')
        OR pg_has_role(session_user, to_regrole('plumbline_producer'), 'MEMBER') THEN
        RETURN;
    END IF;
    RAISE EXCEPTION 'The role % may not submit texts: run GRANT plumbline_producer TO %.',
        session_user, quote_ident(session_user) USING ERRCODE = 'insufficient_privilege';
END
$$
"""

REQUIRE_SOURCE = f"""
CREATE FUNCTION plumbline.require_source(source text) RETURNS void
LANGUAGE plpgsql STABLE {DEFINER}
AS $$
BEGIN
END
$$
"""

MAY_USE_SOURCE = f"""
CREATE FUNCTION plumbline.may_use_source(source text) RETURNS boolean
LANGUAGE plpgsql STABLE {DEFINER}
AS $$
BEGIN
    PERFORM plumbline.require_source(source);
    RETURN true;
EXCEPTION
    WHEN insufficient_privilege THEN
        RETURN false;
END
$$
"""

# The sources of these jobs that the caller may use: the jobs of others do not exist for it.
USABLE_SOURCES = f"""
CREATE FUNCTION plumbline.usable_sources(ids uuid[]) RETURNS text[]
LANGUAGE plpgsql STABLE {BY_ID}
AS $$
BEGIN
    RETURN (SELECT array_agg(source)
            FROM (SELECT DISTINCT jobs.source FROM plumbline.jobs AS jobs
                  WHERE jobs.id = ANY (ids)) AS named
            WHERE plumbline.may_use_source(source));
END
$$
"""

# PostgreSQL's text contains neither NUL nor lone surrogates, so nothing is replaced here. The times
# are clock_timestamp(), because the caller may have begun the transaction long before.
SUBMIT = f"""
CREATE OR REPLACE FUNCTION plumbline.submit_v1(
    text text, key text DEFAULT NULL, source text DEFAULT 'default',
    deadline timestamptz DEFAULT NULL
) RETURNS uuid
LANGUAGE plpgsql {DEFINER}
AS $$
#variable_conflict use_variable
DECLARE
    job uuid;
    hash bytea;
    wrong text := coalesce(plumbline.fault(source, {LONGEST_SOURCE}),
                           CASE WHEN source IS NULL THEN 'is NULL' END);
BEGIN
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'The source %.', wrong USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM plumbline.require_source(source);
    wrong := 'the key ' || plumbline.fault(key, {LONGEST_KEY});
    IF wrong IS NOT NULL THEN
        key := NULL;
        deadline := NULL;
    END IF;
    job := CASE WHEN key IS NULL THEN gen_random_uuid()
                ELSE plumbline.keyed_id_v1(source, key) END;
    hash := plumbline.keyed_hash(plumbline.text_digest(text));
    wrong := coalesce(wrong, plumbline.text_fault(text));
    -- Programs cannot read the infinite ones.
    deadline := CASE WHEN deadline < '9999-12-31' THEN greatest(deadline, '0001-01-02') END;
    INSERT INTO plumbline.jobs
        (id, source, key, text, text_hash, deadline, error, state, created_at, finished_at)
    VALUES (job, source, key, CASE WHEN wrong IS NULL THEN text END, hash, deadline, wrong,
            CASE WHEN wrong IS NULL THEN 'queued' ELSE 'rejected' END, clock_timestamp(),
            CASE WHEN wrong IS NOT NULL THEN clock_timestamp() END)
    ON CONFLICT ON CONSTRAINT jobs_pkey DO NOTHING;
    IF NOT FOUND THEN
        IF hash IS DISTINCT FROM (
            SELECT coalesce(jobs.text_hash, plumbline.keyed_hash(jobs.text_sha256))
            FROM plumbline.jobs AS jobs WHERE jobs.id = job
        ) THEN
            RAISE EXCEPTION 'The key belongs to another text, job %; submit this text with a key '
                'of its own.', job USING ERRCODE = 'unique_violation';
        END IF;
    ELSIF wrong IS NULL THEN
        {{notify}};
    END IF;
    RETURN job;
END
$$
"""

PRIVATE = (
    "keyed_hash", "key_text_hash", "text_fault", "text_digest", "require_producer",
    "require_source", "may_use_source", "usable_sources",
)  # fmt: skip
