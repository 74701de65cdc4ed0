"""What one message cost, as fields of its line in the log."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from worker.processing.score_message import Outcome


def fields(message_id: str, source: str, outcome: Outcome, took_s: float) -> dict[str, Any]:
    """`score_ms` and `queue_ms` are means over the texts that were scored; none without any."""
    answers = outcome.answered
    told: dict[str, Any] = {
        "message_id": message_id,
        "source": source,
        "models": sorted({answer.model for answer in answers}),
        "scored": outcome.scored,
        "rejected": outcome.refused + len(outcome.rejected),
        "failed": len(outcome.failed),
        "elsewhere": outcome.skipped,
        "returned": len(outcome.returned),
        "shadow_scored": outcome.beside.scored,
        "shadow_failed": outcome.beside.failed,
        "chunk_ms": round(1000.0 * took_s, 1),
        "tokens": sum(answer.tokens for answer in answers),
    }
    if answers:
        told["score_ms"] = round(fmean(answer.score_ms for answer in answers), 2)
        told["queue_ms"] = round(fmean(answer.queue_ms for answer in answers), 1)
    return told
