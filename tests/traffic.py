"""Scored texts in the database, with the numbers that drift is computed from."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, text

INSERT_JOBS = text("""
INSERT INTO plumbline.jobs (id, source, key, text, text_sha256, state, finished_at)
VALUES (:job_id, :source, :key, :text, :sha256, 'scored', :scored_at)
""")
INSERT_PREDICTIONS = text("""
INSERT INTO plumbline.predictions
    (job_id, role, model, probability, label, confidence, decision, ranked, tokens, windows,
     window_rule, features, queue_ms, score_ms, scored_at)
VALUES (:job_id, :role, :model, :probability, 'ham', :confidence, :decision, '[]', 9, 1,
        'mean', CAST(:features AS jsonb), 1, 1, :scored_at)
""")
NOT_FEATURES = ("probability", "confidence", "decision", "text", "key")


def write_traffic(
    engine: Engine,
    rows: Iterable[dict[str, Any]],
    *,
    model: str,
    source: str = "default",
    role: str = "live",
    scored_at: datetime | None = None,
    features: Sequence[str] | None = None,
) -> list[uuid.UUID]:
    """Write the rows as predictions, the first row with the newest time; return the job ids.

    What a row contains beside the prediction is a feature, unless `features` names them. A row may
    have a text and a key.
    """
    newest = scored_at or datetime.now(UTC)
    jobs = [
        {
            "job_id": uuid.uuid4(),
            "source": source,
            "key": row.get("key"),
            "text": row.get("text"),
            "sha256": hashlib.sha256((row.get("text") or "").encode()).digest(),
            "role": role,
            "model": model,
            "probability": row.get("probability", 0.1),
            "confidence": row.get("confidence", 0.9),
            "decision": row.get("decision", "negative"),
            "features": json.dumps({name: row[name] for name in features or _features(row)}),
            "scored_at": newest - timedelta(milliseconds=position),
        }
        for position, row in enumerate(rows)
    ]
    with engine.begin() as connection:
        connection.execute(INSERT_JOBS, jobs)
        connection.execute(INSERT_PREDICTIONS, jobs)
    return [job["job_id"] for job in jobs]


def _features(row: dict[str, Any]) -> list[str]:
    return [name for name in row if name not in NOT_FEATURES]
