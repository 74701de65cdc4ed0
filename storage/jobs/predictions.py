"""Predictions as workers write them; live and shadow predictions have the same columns."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

COLUMNS = (
    "model, probability, label, confidence, decision, ranked, tokens, windows, window_rule, "
    "features, notes, queue_ms, score_ms"
)
INSERT = f"INSERT INTO plumbline.predictions (job_id, role, {COLUMNS})"

# The columns of the JSON document that `to_document` writes, for `json_to_recordset`.
DOCUMENT_COLUMNS = (
    "id uuid, fence bigint, model text, probability float8, label text, confidence float8, "
    "decision text, ranked jsonb, tokens int, windows int, window_rule text, features jsonb, "
    "notes text[], queue_ms float8, score_ms float8"
)


@dataclass(frozen=True, slots=True)
class NewPrediction:
    """The prediction for a leased job, ready to be written.

    The fields are those of `storage.tables.Prediction`.
    """

    id: uuid.UUID
    fence: int
    model: str
    probability: float
    label: str
    confidence: float
    decision: str
    ranked: list[dict[str, Any]]
    tokens: int
    windows: int
    window_rule: str
    features: dict[str, float]
    notes: list[str]
    queue_ms: float
    score_ms: float


def to_document(predictions: Sequence[NewPrediction]) -> str:
    """Return the predictions as one JSON array."""
    return json.dumps([_fields(prediction) for prediction in predictions], default=str)


def _fields(prediction: NewPrediction) -> dict[str, Any]:
    # `dataclasses.asdict` takes four times as long, because it copies the values.
    return {name: getattr(prediction, name) for name in NewPrediction.__slots__}
