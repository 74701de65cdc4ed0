"""The client's SQL, with psycopg's parameters.

The statements read and write the application's tables and therefore belong to one release of it.
"""

from __future__ import annotations

from plumbline_client.new_job import DEADLINE, DOCUMENT_COLUMNS

# PostgreSQL keeps the plan it made while the table was small until the table is next analyzed. No
# index has this expression, so jobs are looked up by id even then.
QUEUED = "jobs.state || '' = 'queued'"

ACCEPT = f"""
INSERT INTO plumbline.jobs
    (id, source, key, text, text_sha256, notes, deadline, error, state, published_at, finished_at)
SELECT id, source, key, text, text_sha256, notes, {DEADLINE}, error,
       CASE WHEN error IS NULL THEN 'queued' ELSE 'rejected' END,
       CASE WHEN error IS NULL THEN now() END,
       CASE WHEN error IS NOT NULL THEN now() END
FROM json_to_recordset(CAST(%(jobs)s AS json)) AS new ({DOCUMENT_COLUMNS})
ORDER BY id
ON CONFLICT (id) DO NOTHING
RETURNING id
"""

STATES = """
SELECT id, state, error FROM plumbline.jobs WHERE id = ANY (CAST(%(ids)s AS uuid[]))
"""

CANCEL = f"""
UPDATE plumbline.jobs AS jobs
SET state = 'cancelled', finished_at = now(), error = %(reason)s
WHERE id = ANY (CAST(%(ids)s AS uuid[])) AND {QUEUED}
RETURNING id
"""

UNPUBLISH = f"""
UPDATE plumbline.jobs AS jobs SET published_at = NULL
WHERE id = ANY (CAST(%(ids)s AS uuid[])) AND {QUEUED}
"""

COUNT_QUEUED = """
SELECT count(*) FROM (
    SELECT FROM plumbline.jobs WHERE state = 'queued' LIMIT %(limit)s
) AS queued
"""

RESULT_COLUMNS = """
    job_id, source, key, state, error, notes, attempts, created_at, finished_at, model,
    probability, label, confidence, decision, tokens, windows, queue_ms, score_ms, scored_at, text
"""

# An absent condition is NULL, so that every search is the same statement.
FIND_RESULTS = f"""
SELECT {RESULT_COLUMNS} FROM plumbline.results
WHERE (CAST(%(ids)s AS uuid[]) IS NULL OR job_id = ANY (CAST(%(ids)s AS uuid[])))
  AND (CAST(%(source)s AS text) IS NULL OR source = %(source)s)
  AND (CAST(%(state)s AS text) IS NULL OR state = %(state)s)
  AND (CAST(%(decision)s AS text) IS NULL OR decision = %(decision)s)
  AND (CAST(%(model)s AS text) IS NULL OR model = %(model)s)
  AND (CAST(%(since)s AS timestamptz) IS NULL OR created_at >= %(since)s)
  AND (CAST(%(until)s AS timestamptz) IS NULL OR created_at < %(until)s)
  AND (CAST(%(since_ago)s AS interval) IS NULL
       OR created_at >= now() - CAST(%(since_ago)s AS interval))
  AND (CAST(%(until_ago)s AS interval) IS NULL
       OR created_at < now() - CAST(%(until_ago)s AS interval))
ORDER BY created_at DESC, job_id
LIMIT %(limit)s
"""
