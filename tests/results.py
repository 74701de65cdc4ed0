"""Results for tests that need one."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from plumbline_client.results import Result
from plumbline_client.states import JobState

AT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def result(number: int = 0, **fields: Any) -> Result:
    """Return a scored job whose id is `number`, with some of its fields replaced."""
    scored = Result(
        job_id=uuid.UUID(int=number),
        source="test",
        key=None,
        state=JobState.SCORED,
        error=None,
        notes=["nul_replaced", "surrogate_replaced"],
        attempts=1,
        created_at=AT,
        finished_at=AT,
        model="m/1.0.0",
        probability=0.25,
        label="ham",
        confidence=0.75,
        decision="negative",
        tokens=3,
        windows=1,
        queue_ms=1.5,
        score_ms=2.5,
        scored_at=AT,
        text='a "b",\nc',
    )
    return replace(scored, **fields)
