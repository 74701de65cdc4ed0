"""What a window is held against: the version's profile, or an earlier window of live traffic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from monitoring.drift.request import ReferenceKind, ReportRequest
from monitoring.drift.window import Columns, window_columns
from plumbline.settings import Settings
from scoring.artifact.artifact import Artifact
from scoring.errors import ArtifactInvalid
from storage.reports import drift
from storage.reports.drift import Observed, Window


@dataclass(frozen=True, slots=True)
class Reference:
    """Columns, a row a text. `edges` are the bins of the histograms a profile brings."""

    kind: ReferenceKind
    rows: int
    columns: Columns
    edges: dict[str, list[float]]
    since: datetime | None = None
    until: datetime | None = None
    texts: Sequence[str] = ()


def nothing(kind: ReferenceKind) -> Reference:
    return Reference(kind, 0, {}, {})


def from_profile(artifact: Artifact) -> Reference:
    """Raise ArtifactInvalid where the profile is missing, unreadable or another version's."""
    profile = artifact.profile()
    if profile.model != artifact.name:
        raise ArtifactInvalid(
            f"The drift reference of {artifact.name} is one of {profile.model}, which answers "
            "otherwise; train the version again, or compare with an earlier window."
        )
    edges = {name: histogram.edges for name, histogram in profile.histograms.items()}
    return Reference(ReferenceKind.PROFILE, profile.rows, profile.columns, edges)


def earlier(connection: Connection, window: Window, with_texts: bool) -> Reference:
    """The predictions of an earlier window."""
    rows = drift.observed(connection, window)
    texts = drift.texts(connection, window) if with_texts else []
    return Reference(
        ReferenceKind.WINDOW,
        len(rows),
        window_columns(rows),
        {},
        rows[0].scored_at if rows else None,
        rows[-1].scored_at if rows else None,
        texts,
    )


def earlier_window(
    window: Window, rows: Sequence[Observed], request: ReportRequest, settings: Settings
) -> Window:
    """What lies before `window`, whose predictions are `rows`: as asked for, or as long as set."""
    start = rows[0].scored_at
    return replace(
        window,
        since=request.reference_since or start - timedelta(seconds=settings.drift_reference_s),
        until=min(request.reference_until or start, start),
        limit=settings.drift_max_rows,
    )
