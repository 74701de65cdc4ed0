"""The heading of a drift report's page."""

from __future__ import annotations

from datetime import UTC, datetime

from monitoring.drift.heading import Heading
from storage.states import DriftVerdict

AT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def heading(source: str | None = "shop", verdict: DriftVerdict = DriftVerdict.DRIFT) -> Heading:
    return Heading(
        model="m/1.0.0",
        source=source,
        verdict=verdict,
        summary="1 of 2 features drifted",
        window_rows=1_500,
        window_from=AT,
        window_to=AT,
        reference="validation texts of m/1.0.0",
        reference_rows=718,
    )
