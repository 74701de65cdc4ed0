"""Predictions for tests that need one but not a particular one."""

from __future__ import annotations

import uuid
from typing import Any

from storage.jobs.claim import Lease
from storage.jobs.predictions import NewPrediction


def new_prediction(lease: Lease | None = None, **fields: Any) -> NewPrediction:
    """Return a prediction for the leased job, or for some job; `fields` replace the defaults."""
    defaults: dict[str, Any] = {
        "id": lease.id if lease else uuid.uuid4(),
        "fence": lease.fence if lease else 1,
        "model": "tiny/1.0.0",
        "probability": 0.25,
        "label": "ham",
        "confidence": 0.75,
        "decision": "negative",
        "ranked": [],
        "tokens": 4,
        "windows": 1,
        "window_rule": "mean",
        "features": {},
        "notes": [],
        "queue_ms": lease.queue_ms if lease else 1.0,
        "score_ms": 1.0,
    }
    return NewPrediction(**defaults | fields)
