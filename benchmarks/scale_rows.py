"""Millions of finished jobs with all that real ones leave behind, inserted without scoring them.

The rows are spread over 65 days in the order of their acceptance, from 20 large and 200 small
sources, with the predictions of three versions, labels, drift reports, alerts and rejections.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, Engine, text

DAYS = 65
BATCH = 250_000
OLD, LIVE, NEXT = "sms-spam/0.9.0", "sms-spam/1.0.0", "sms-spam/1.1.0"

DEFINITIONS = text("""
SELECT 'ALTER TABLE ' || conrelid::regclass || ' DROP CONSTRAINT ' || conname AS drop,
       'ALTER TABLE ' || conrelid::regclass || ' ADD CONSTRAINT ' || conname || ' '
           || pg_get_constraintdef(oid) AS restore,
       contype <> 'f' AS first
FROM pg_constraint
WHERE contype IN ('p', 'f') AND (conrelid = ANY (CAST(:tables AS regclass[])))
UNION ALL
SELECT 'DROP INDEX ' || indexrelid::regclass, pg_get_indexdef(indexrelid), true
FROM pg_index
WHERE indrelid = ANY (CAST(:tables AS regclass[])) AND NOT indisprimary
ORDER BY first
""")
LARGE_TABLES = ["plumbline.jobs", "plumbline.predictions", "plumbline.labels"]

# `place` runs from 0 for the oldest job to 1 for the newest.
JOBS = f"""
WITH numbers AS (
    SELECT n, n / CAST(:rows AS float8) AS place, random() AS ending, random() AS origin,
           random() AS chance
    FROM generate_series(CAST(:first AS bigint), :last) AS n
), accepted AS (
    SELECT *, now() - make_interval(secs => (1 - place) * {DAYS} * 86400 + 60) AS created_at,
           CASE WHEN ending < 0.9885 THEN 'scored' WHEN ending < 0.9915 THEN 'rejected'
                WHEN ending < 0.992 THEN 'quarantined' WHEN ending < 0.995 THEN 'expired'
                ELSE 'cancelled' END AS state,
           CASE WHEN origin < 0.001 THEN 'small-' || n % 200
                ELSE 'source-' || floor(20 * power(origin, 3)) END AS source
    FROM numbers
), written AS (
    INSERT INTO plumbline.jobs (id, source, key, text, text_hash, state, attempts, fence, error,
                                created_at, published_at, started_at, finished_at)
    SELECT CAST(md5('job ' || n) AS uuid), source, CASE WHEN chance < 0.5 THEN 'message-' || n END,
           'Your parcel ' || n || ' waits: pay ' || n % 97 || ' at ' || md5(CAST(n / 2 AS text)),
           sha256(convert_to(CAST(n / 2 AS text), 'UTF8')), state, 1, 1,
           CASE WHEN state NOT IN ('scored', 'cancelled') THEN 'the reason of its end' END,
           created_at, created_at, created_at + interval '40 ms',
           created_at + make_interval(secs => 0.05 + chance)
    FROM accepted
    RETURNING id, state, finished_at
), scored AS (
    SELECT id, finished_at, random() AS p, random() AS r, random() AS chance,
           now() - finished_at AS age
    FROM written WHERE state = 'scored'
), predicted AS (
    SELECT id, 'live' AS role, finished_at, p, r, CASE
        WHEN age > interval '25 days' THEN '{OLD}'
        WHEN age < interval '10 days' AND chance < 0.1 THEN '{NEXT}' ELSE '{LIVE}' END AS model
    FROM scored
    UNION ALL
    SELECT id, 'shadow', finished_at + interval '5 ms', p, r, '{NEXT}'
    FROM scored WHERE age < interval '20 days' AND chance > 0.95
), labelled AS (
    INSERT INTO plumbline.labels (job_id, source, label, labelled_at, recorded_by, sampling)
    SELECT id, 'person', CAST(p + 0.1 * r > 0.55 AS int),
           least(finished_at + make_interval(secs => 432000 * r), now()), 'role:plumbline',
           CASE WHEN r < 0.3 THEN 'random' WHEN r < 0.6 THEN 'uncertain' END
    FROM scored WHERE chance BETWEEN 0.2 AND 0.21
)
INSERT INTO plumbline.predictions (job_id, role, model, probability, label, confidence, decision,
    ranked, tokens, windows, window_rule, features, queue_ms, score_ms, scored_at)
SELECT id, role, model, p, CASE WHEN p >= 0.5 THEN 'spam' ELSE 'ham' END, greatest(p, 1 - p),
       CASE WHEN p BETWEEN 0.3 AND 0.7 THEN 'review' WHEN p > 0.5 THEN 'positive'
            ELSE 'negative' END,
       jsonb_build_array(jsonb_build_object('label', 'spam', 'probability', p),
                         jsonb_build_object('label', 'ham', 'probability', 1 - p)),
       20, 1, 'mean',
       jsonb_build_object(
           'chars', floor(60 + 90 * r), 'words', floor(10 + 10 * r), 'tokens', floor(15 + 20 * r),
           'unknown_share', 0.0, 'digit_share', r / 10, 'upper_share', p / 10,
           'punctuation_share', p * r / 10, 'non_ascii_share', 0.0, 'token_surprise', 6 + 3 * r,
           'new_token_share', r / 20, 'new_pair_share', r / 40, 'new_triple_share', p / 10),
       40, 3, finished_at
FROM predicted
"""

# Jobs that have not ended: some are leased, and the others wait for their time.
UNFINISHED = """
INSERT INTO plumbline.jobs (id, source, text, state, attempts, fence, lease_until, created_at,
                            published_at, started_at, not_before)
SELECT CAST(md5('unfinished ' || n) AS uuid), 'source-' || n % 20, 'A text that waits, ' || n,
       CASE WHEN n <= 64 THEN 'leased' ELSE 'queued' END, CAST(n <= 64 AS int),
       CAST(n <= 64 AS int), CASE WHEN n <= 64 THEN now() + interval '1 day' END,
       now() - make_interval(secs => n % 60), CASE WHEN n <= 64 THEN now() END,
       CASE WHEN n <= 64 THEN now() END, CASE WHEN n > 64 THEN now() + interval '2 days' END
FROM generate_series(1, 1064) AS n
"""

# Of each hour: one report on all sources, and one on each of the ten largest.
DRIFT = f"""
WITH reports AS (
    INSERT INTO plumbline.drift_reports (model, source, verdict, summary, window_from, window_to,
        window_rows, reference_rows, took_ms, created_at, profile_verdict)
    SELECT CASE WHEN at < now() - interval '25 days' THEN '{OLD}' ELSE '{LIVE}' END,
           CASE WHEN source > 0 THEN 'source-' || source - 1 END,
           CASE WHEN random() < 0.01 THEN 'drift' ELSE 'stable' END, 'a summary',
           at - interval '1 day', at, 10000, 718, 900, at,
           CASE WHEN random() < 0.01 THEN 'drift' ELSE 'stable' END
    FROM generate_series(now() - interval '{DAYS} days', now(), interval '1 hour') AS at,
         generate_series(0, 10) AS source
    RETURNING id
)
INSERT INTO plumbline.drift_values (report_id, feature, method, value, threshold, drifted,
                                    histogram)
SELECT id, 'feature-' || feature, 'mean-and-spread', random(), 2, false,
       '{{"edges": [0, 0.2, 0.4, 0.6, 0.8, 1], "reference": [1, 2, 3, 4, 5], "window": [5]}}'
FROM reports, generate_series(1, 15) AS feature
"""
ALERTS = """
WITH raised AS (
    INSERT INTO plumbline.alerts (rule, subject, severity, message, value, threshold, raised_at,
                                  last_seen_at, clear_since, resolved_at)
    SELECT 'error_rate', 'subject ' || n, 'warning', 'a message', 1, 0,
           now() - make_interval(mins => n), now() - make_interval(mins => n),
           now() - make_interval(mins => n), CASE WHEN n > 10 THEN now() END
    FROM generate_series(1, 5000) AS n RETURNING id
)
INSERT INTO plumbline.alert_notices (alert_id, status, delivered_at)
SELECT id, 'raised', now() FROM raised
"""
REJECTIONS = """
INSERT INTO plumbline.rejected_messages (message_id, queue, task, source, reason, rejected_at)
SELECT 'message ' || n, 'plumbline.score', 'plumbline.score', 'source-' || n % 20, 'a reason',
       now() - make_interval(mins => 90000 - n)
FROM generate_series(1, 90000) AS n
"""
VERSIONS = """
INSERT INTO plumbline.model_versions (model, manifest_sha256, labels, metrics)
SELECT model, md5(model), ARRAY['ham', 'spam'], '{}'
FROM unnest(CAST(:models AS text[])) AS model ON CONFLICT DO NOTHING
"""
DEPLOYMENTS = """
INSERT INTO plumbline.deployments (model, canary, canary_share, shadow, action, deployed_by, reason,
                                   deployed_at)
VALUES (:old, NULL, NULL, NULL, 'promote', 'benchmark', 'the first', now() - interval '65 days'),
       (:live, NULL, NULL, NULL, 'promote', 'benchmark', 'the next', now() - interval '25 days'),
       (:live, :next, 0.1, NULL, 'canary', 'benchmark', 'a trial', now() - interval '10 days')
"""


def fill(engine: Engine, rows: int) -> Iterator[int]:
    """Insert `rows` finished jobs into empty tables; yield how many there are after each batch.

    Indexes and constraints are dropped meanwhile, and restored as the migrations made them.
    """
    with engine.begin() as connection:
        connection.execute(text(VERSIONS), {"models": [OLD, LIVE, NEXT]})
        connection.execute(text(DEPLOYMENTS), {"old": OLD, "live": LIVE, "next": NEXT})
        definitions = connection.execute(DEFINITIONS, {"tables": LARGE_TABLES}).all()
        for definition in definitions:
            connection.execute(text(definition.drop))
        connection.execute(text("SELECT setseed(0.5)"))
    for first in range(1, rows + 1, BATCH):
        last = min(first + BATCH - 1, rows)
        with engine.begin() as connection:
            connection.execute(text(JOBS), {"rows": rows, "first": first, "last": last})
        yield last
    for definition in reversed(definitions):
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))
            connection.exec_driver_sql(definition.restore)
    with engine.begin() as connection:
        for statement in (UNFINISHED, DRIFT, ALERTS, REJECTIONS):
            connection.execute(text(statement))
    _vacuum(engine)


def _vacuum(engine: Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE)"))


def is_filled(connection: Connection) -> bool:
    return connection.execute(text("SELECT EXISTS (SELECT FROM plumbline.jobs)")).scalar_one()
