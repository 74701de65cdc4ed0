"""The SQL functions of revision 0010 that the Python client calls.

A migration does not change when the code does, so the values are copies; tests compare them.
"""

from __future__ import annotations

from migrations.submission_0010 import (
    BY_ID,
    DEFINER,
    LONGEST_KEY,
    LONGEST_SOURCE,
    NAMESPACE,
    NUMBER,
)

LONGEST_ERROR = 1_000
MAX_DOCUMENT_BYTES = 256 * 1024 * 1024
NOTES = "ARRAY['nul_replaced', 'surrogate_replaced']"
CONFLICT = "the key belongs to another text"

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
    PERFORM plumbline.require_producer();
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
    PERFORM plumbline.require_producer();
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
    PERFORM plumbline.require_producer();
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
    PERFORM plumbline.require_producer();
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
    PERFORM plumbline.require_producer();
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
    IF NOT reads THEN
        PERFORM plumbline.require_producer();
    END IF;
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

FUNCTIONS = (SUBMIT_MANY, CANCEL, STATES, UNPUBLISH, COUNT_QUEUED, RESULTS)
NAMES = (
    "submit_many_v1", "cancel_v1", "states_v1", "unpublish_v1", "count_queued_v1", "results_v1",
)  # fmt: skip
