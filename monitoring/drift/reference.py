"""The reference of a window: the version's profile, or an earlier window of live traffic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from monitoring.drift.request import DriftReportRequest
from monitoring.drift.window import Columns, window_columns
from plumbline.settings import Settings
from scoring.artifact.artifact import Artifact
from scoring.errors import ArtifactInvalid
from storage.reports import drift
from storage.reports.drift import Observation, Window
from storage.states import ReferenceKind


@dataclass(frozen=True, slots=True)
class Reference:
    """Columns with one row per text. `edges` are the histogram bins of a profile, by column."""

    kind: ReferenceKind
    rows: int
    columns: Columns
    edges: dict[str, list[float]]
    since: datetime | None = None
    until: datetime | None = None
    texts: Sequence[str] = ()


def empty_reference(kind: ReferenceKind) -> Reference:
    return Reference(kind, 0, {}, {})


def profile_reference(artifact: Artifact) -> Reference:
    """Raises ArtifactInvalid if the profile is missing, unreadable or of another version."""
    profile = artifact.profile()
    if profile.model != artifact.name:
        raise ArtifactInvalid(
            f"The drift reference of {artifact.name} was made by {profile.model}, which scores "
            "differently; train the version again, or compare with an earlier window."
        )
    edges = {name: histogram.edges for name, histogram in profile.histograms.items()}
    return Reference(ReferenceKind.PROFILE, profile.rows, profile.columns, edges)


def window_reference(connection: Connection, window: Window, with_texts: bool) -> Reference:
    """Read the predictions of an earlier window as the reference."""
    rows = drift.observations(connection, window)
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
    window: Window, rows: Sequence[Observation], request: DriftReportRequest, settings: Settings
) -> Window:
    """Return the requested window before `window`, whose predictions are `rows`.

    By default it starts `drift_reference_s` before them and ends where they start.
    """
    start = rows[0].scored_at
    return replace(
        window,
        since=request.reference_since or start - timedelta(seconds=settings.drift_reference_s),
        until=min(request.reference_until or start, start),
        limit=settings.drift_max_rows,
    )
