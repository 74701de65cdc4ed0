"""The SQL functions of revision 0010: keyed hashes, and everything that a client does.

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
LONGEST_ERROR = 1_000
MAX_DOCUMENT_BYTES = 256 * 1024 * 1024
NOTES = "ARRAY['nul_replaced', 'surrogate_replaced']"
CONFLICT = "the key belongs to another text"
# The characters that Python's str.strip() removes.
SPACES = (
    r"\u0009\u000a\u000b\u000c\u000d\u001c\u001d\u001e\u001f\u0020\u0085\u00a0\u1680"
    r"\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029"
    r"\u202f\u205f\u3000"
)
NUMBER = "FM999,999,999,999"

# A function of these runs with the rights of the tables' owner, whatever the caller's search path.
DEFINER = "SECURITY DEFINER SET search_path = pg_catalog, pg_temp"
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

# `octet_length` comes first: it neither fetches nor decompresses what is stored out of line.
FAULT = f"""
CREATE OR REPLACE FUNCTION plumbline.fault(value text, longest int) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN octet_length(value) = 0 THEN 'is empty'
    WHEN octet_length(value) > {READ_BYTES_PER_CHAR} * longest
        THEN 'has ' || to_char(octet_length(value), '{NUMBER}')
             || ' bytes, and at most ' || longest || ' characters are accepted'
    WHEN char_length(value) > longest
        THEN 'has ' || to_char(char_length(value), '{NUMBER}')
             || ' characters, and at most ' || longest || ' are accepted'
END
"""

TEXT_FAULT = f"""
CREATE FUNCTION plumbline.text_fault(text text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN text IS NULL THEN 'the text is NULL, not a string'
    WHEN octet_length(text) > {READ_TEXT_BYTES}
        THEN 'the text has ' || to_char(octet_length(text), '{NUMBER}')
             || ' bytes, and at most {MAX_TEXT_CHARS:,} characters are accepted'
    WHEN char_length(text) > {MAX_TEXT_CHARS}
        THEN 'the text has ' || to_char(char_length(text), '{NUMBER}')
             || ' characters, and at most {MAX_TEXT_CHARS:,} are accepted'
    WHEN btrim(text, E'{SPACES}') = '' THEN 'the text is empty'
END
"""

# A text that is too long by its number of bytes has the hash of its length and its beginning.
TEXT_DIGEST = f"""
CREATE FUNCTION plumbline.text_digest(text text) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN octet_length(text) > {READ_TEXT_BYTES}
        THEN sha256(int8send(octet_length(text))
                    || convert_to(left(text, {FINGERPRINT_CHARS}), 'UTF8'))
    ELSE sha256(convert_to(coalesce(text, ''), 'UTF8'))
END
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

# A caller may invent everything in the document, so the id follows from the key here too. Without a
# key it must be a random one (version 4), which is never the id of a key or of a message.
SUBMIT_MANY = f"""
CREATE FUNCTION plumbline.submit_many_v1(jobs json)
RETURNS TABLE (id uuid, state text, error text, new boolean, conflict boolean)
LANGUAGE plpgsql {BY_ID}
AS $$
#variable_conflict use_column
DECLARE
    ids uuid[];
    hashes bytea[];
    errors text[];
    accepted uuid[];
    sources text[];
    wrong text;
BEGIN
    IF pg_column_size(jobs) > {MAX_DOCUMENT_BYTES} THEN
        RAISE EXCEPTION 'The jobs have % bytes, and at most {MAX_DOCUMENT_BYTES:,} are accepted at '
            'once; submit fewer of them.', to_char(pg_column_size(jobs), '{NUMBER}')
            USING ERRCODE = 'program_limit_exceeded';
    END IF;
    WITH arriving AS MATERIALIZED (
        SELECT new.*,
               CASE WHEN key IS NOT NULL THEN substring(sha256(
                   decode('{NAMESPACE}', 'hex') || convert_to('key', 'UTF8') || decode('00', 'hex')
                   || convert_to(source, 'UTF8') || decode('00', 'hex') || convert_to(key, 'UTF8')
               ) FROM 1 FOR 16) END AS name,
               coalesce('the source ' || CASE WHEN source IS NULL THEN 'is NULL'
                                              ELSE plumbline.fault(source, {LONGEST_SOURCE}) END,
                        'the key ' || plumbline.fault(key, {LONGEST_KEY}),
                        CASE WHEN key IS NULL AND substr(CAST(new.id AS text), 15, 1) <> '4'
                             THEN 'the id is not a random one' END) AS wrong
        FROM ROWS FROM (json_to_recordset(jobs) AS (
            id uuid, source text, key text, text text, text_sha256 bytea, notes text[],
            deadline timestamptz, deadline_s float8, not_before timestamptz, error text
        )) WITH ORDINALITY AS new (id, source, key, text, text_sha256, notes, deadline, deadline_s,
                                   not_before, error, position)
    ), named AS MATERIALIZED (
        SELECT position, source, key, wrong, text, notes,
               CASE WHEN name IS NULL THEN coalesce(arriving.id, gen_random_uuid()) ELSE CAST(
                   encode(set_byte(set_byte(name, 6, get_byte(name, 6) & 15 | 128),
                                   8, get_byte(name, 8) & 63 | 128), 'hex') AS uuid) END AS id,
               sha256((SELECT outer_key FROM plumbline.installation) || sha256(
                   (SELECT inner_key FROM plumbline.installation)
                   || coalesce(text_sha256, plumbline.text_digest(text)))) AS hash,
               coalesce(deadline, statement_timestamp()
                                  + make_interval(secs => deadline_s)) AS deadline, not_before,
               coalesce(left(error, {LONGEST_ERROR}),
                        CASE WHEN text IS NULL THEN 'the text is NULL, not a string' END) AS error
        FROM arriving
    ), written AS (
        INSERT INTO plumbline.jobs
            (id, source, key, text, text_hash, notes, deadline, error, state, created_at,
             published_at, finished_at, not_before)
        SELECT id, source, key, CASE WHEN error IS NULL THEN text END, hash,
               CASE WHEN notes <@ {NOTES} THEN notes ELSE '{{}}' END,
               CASE WHEN deadline < '9999-12-31' THEN greatest(deadline, '0001-01-02') END, error,
               CASE WHEN error IS NULL THEN 'queued' ELSE 'rejected' END, statement_timestamp(),
               CASE WHEN error IS NULL AND coalesce(not_before <= statement_timestamp(), true)
                    THEN statement_timestamp() END,
               CASE WHEN error IS NOT NULL THEN statement_timestamp() END, not_before
        FROM named WHERE wrong IS NULL
        ORDER BY id, position
        ON CONFLICT (id) DO NOTHING
        RETURNING id
    )
    SELECT array_agg(named.id ORDER BY position), array_agg(named.hash ORDER BY position),
           array_agg(named.error ORDER BY position), array_agg(DISTINCT named.source),
           min(named.wrong), (SELECT array_agg(written.id) FROM written)
    INTO ids, hashes, errors, sources, wrong, accepted
    FROM named;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'The jobs are not accepted: %.', wrong
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM plumbline.require_source(source) FROM unnest(sources) AS used (source);
    IF cardinality(accepted) = cardinality(ids) THEN
        RETURN QUERY SELECT job.id, CASE WHEN job.error IS NULL THEN 'queued' ELSE 'rejected' END,
                            job.error, true, false
        FROM unnest(ids, errors) WITH ORDINALITY AS job (id, error, position) ORDER BY position;
        RETURN;
    END IF;
    -- The first job with an id is the new one. A statement of its own sees what others committed.
    RETURN QUERY SELECT job.id, known.state,
           CASE WHEN same.text THEN known.error ELSE '{CONFLICT}' END,
           coalesce(job.id = ANY (accepted), false)
               AND position = min(position) OVER (PARTITION BY job.id),
           NOT same.text
    FROM unnest(ids, hashes) WITH ORDINALITY AS job (id, hash, position)
    JOIN plumbline.jobs AS known ON known.id = job.id AND known.id = ANY (ids)
    CROSS JOIN LATERAL (
        SELECT job.hash IS NOT DISTINCT FROM
               coalesce(known.text_hash, plumbline.keyed_hash(known.text_sha256)) AS text
    ) AS same
    ORDER BY position;
END
$$
"""

CANCEL = f"""
CREATE FUNCTION plumbline.cancel_v1(job uuid, reason text DEFAULT NULL)
RETURNS TABLE (cancelled boolean, state text, error text)
LANGUAGE plpgsql {BY_ID}
AS $$
#variable_conflict use_column
DECLARE
    owner text := (SELECT source FROM plumbline.jobs WHERE id = job);
    because text := coalesce(left(reason, {LONGEST_ERROR}), 'cancelled by ' || session_user);
BEGIN
    IF owner IS NULL OR NOT plumbline.may_use_source(owner) THEN
        RETURN;
    END IF;
    RETURN QUERY UPDATE plumbline.jobs AS jobs
    SET state = 'cancelled', finished_at = clock_timestamp(), error = because
    WHERE jobs.id = job AND jobs.state || '' = 'queued'
    RETURNING true, jobs.state, jobs.error;
    IF NOT FOUND THEN
        RETURN QUERY SELECT false, jobs.state, jobs.error FROM plumbline.jobs AS jobs
        WHERE jobs.id = job;
    END IF;
END
$$
"""

STATES = f"""
CREATE FUNCTION plumbline.states_v1(ids uuid[])
RETURNS TABLE (id uuid, state text, error text)
LANGUAGE plpgsql {BY_ID}
AS $$
#variable_conflict use_column
DECLARE
    usable text[] := plumbline.usable_sources(ids);
BEGIN
    RETURN QUERY SELECT jobs.id, jobs.state, jobs.error FROM plumbline.jobs AS jobs
    WHERE jobs.id = ANY (ids) AND jobs.source = ANY (usable);
END
$$
"""

UNPUBLISH = f"""
CREATE FUNCTION plumbline.unpublish_v1(ids uuid[]) RETURNS void
LANGUAGE plpgsql {BY_ID}
AS $$
DECLARE
    usable text[] := plumbline.usable_sources(ids);
BEGIN
    UPDATE plumbline.jobs AS jobs SET published_at = NULL
    WHERE jobs.id = ANY (ids) AND jobs.state || '' = 'queued' AND jobs.source = ANY (usable);
END
$$
"""

COUNT_QUEUED = f"""
CREATE FUNCTION plumbline.count_queued_v1(at_most bigint) RETURNS bigint
LANGUAGE plpgsql STABLE {DEFINER}
AS $$
BEGIN
    RETURN (SELECT count(*) FROM (
        SELECT FROM plumbline.jobs WHERE state = 'queued' LIMIT at_most
    ) AS queued);
END
$$
"""

# A role that cannot read the view sees the results of its sources, but no text.
RESULTS = f"""
CREATE FUNCTION plumbline.results_v1(ids uuid[])
RETURNS TABLE (
    job_id uuid, source text, key text, state text, error text, notes text[], attempts smallint,
    created_at timestamptz, finished_at timestamptz, model text, probability float8, label text,
    confidence float8, decision text, tokens int, windows int, queue_ms float8, score_ms float8,
    scored_at timestamptz, text text
)
LANGUAGE plpgsql STABLE {BY_ID}
AS $$
#variable_conflict use_column
DECLARE
    reads boolean := has_table_privilege(session_user, 'plumbline.results', 'SELECT');
    usable text[] := CASE WHEN NOT reads THEN plumbline.usable_sources(ids) END;
BEGIN
    RETURN QUERY SELECT results.job_id, results.source, results.key, results.state, results.error,
        results.notes, results.attempts, results.created_at, results.finished_at, results.model,
        results.probability, results.label, results.confidence, results.decision, results.tokens,
        results.windows, results.queue_ms, results.score_ms, results.scored_at,
        CASE WHEN reads THEN results.text END
    FROM plumbline.results AS results
    WHERE results.job_id = ANY (ids) AND (reads OR results.source = ANY (usable));
END
$$
"""

PUBLIC = ("submit_many_v1", "cancel_v1", "states_v1", "unpublish_v1", "count_queued_v1",
          "results_v1")  # fmt: skip
PRIVATE = (
    "keyed_hash", "key_text_hash", "text_fault", "text_digest", "require_source", "may_use_source",
    "usable_sources",
)  # fmt: skip
