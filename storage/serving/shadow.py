"""What the shadow would have answered, kept beside what was: it never changes a job."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import Connection, text

from storage.jobs.ledger import NewPrediction

# One shadow score a job, the first: a version that became the shadow later adds none.
WRITE = text("""
INSERT INTO plumbline.predictions
    (job_id, role, model, probability, label, confidence, decision, ranked, tokens, windows,
     window_rule, features, queue_ms, score_ms)
SELECT id, 'shadow', model, probability, label, confidence, decision, ranked, tokens, windows,
       window_rule, features, queue_ms, score_ms
FROM jsonb_to_recordset(CAST(:scores AS jsonb)) AS score (
    id uuid, model text, probability float8, label text, confidence float8, decision text,
    ranked jsonb, tokens int, windows int, window_rule text, features jsonb, queue_ms float8,
    score_ms float8)
ON CONFLICT (job_id, role) DO NOTHING
""")


def write(connection: Connection, scores: Sequence[NewPrediction]) -> int:
    """Keep scores of jobs that are answered; return how many had none before."""
    body = json.dumps([asdict(score) for score in scores], default=str)
    return connection.execute(WRITE, {"scores": body}).rowcount
