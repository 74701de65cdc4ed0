"""An answer for tests that need one and do not care which."""

from __future__ import annotations

import uuid
from typing import Any

from storage.jobs.ledger import Lease, NewPrediction


def answer(lease: Lease | None = None, **given: Any) -> NewPrediction:
    """What a model might have said of the leased text, or of some text; `given` fields as given."""
    told: dict[str, Any] = {
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
        "queue_ms": lease.queue_ms if lease else 1.0,
        "score_ms": 1.0,
    }
    return NewPrediction(**told | given)
