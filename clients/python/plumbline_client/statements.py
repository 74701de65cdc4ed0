"""The client's SQL, with psycopg's parameters: the functions that a producer may call.

Only the search for results reads a view, for which the role `plumbline_reader` is needed.
"""

from __future__ import annotations

SUBMIT = """
SELECT id, state, error, new, conflict FROM plumbline.submit_many_v1(CAST(%(jobs)s AS json))
"""

STATES = "SELECT id, state, error FROM plumbline.states_v1(CAST(%(ids)s AS uuid[]))"

CANCEL = "SELECT cancelled, state, error FROM plumbline.cancel_v1(%(id)s, %(reason)s)"

UNPUBLISH = "SELECT plumbline.unpublish_v1(CAST(%(ids)s AS uuid[]))"

COUNT_QUEUED = "SELECT plumbline.count_queued_v1(%(limit)s)"

RESULT_COLUMNS = """
    job_id, source, key, state, error, notes, attempts, created_at, finished_at, model,
    probability, label, confidence, decision, tokens, windows, queue_ms, score_ms, scored_at, text
"""

# An absent condition is NULL, so that every search is the same statement.
_FIND = """
SELECT {columns} FROM {rows}
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
FIND_RESULTS = _FIND.format(columns=RESULT_COLUMNS, rows="plumbline.results")
RESULTS_BY_ID = _FIND.format(
    columns=RESULT_COLUMNS, rows="plumbline.results_v1(CAST(%(ids)s AS uuid[]))"
)
