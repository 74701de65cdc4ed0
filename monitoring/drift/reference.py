"""The reference of a window: the version's profile, or live traffic, earlier or accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row

from monitoring.drift.request import DriftReportRequest
from monitoring.drift.window import Columns, window_columns
from plumbline.settings import Settings
from scoring.artifact.artifact import Artifact
from scoring.errors import ArtifactInvalid
from storage.reports import drift
from storage.reports.drift import Observation, Window
from storage.states import ReferenceKind

# The reason of an accepted reference has this much room in a summary and in a title.
LONGEST_REASON = 80


@dataclass(frozen=True, slots=True)
class Reference:
    """Columns with one row per text. `edges` are the histogram bins of a profile, by column.

    `description` is what the texts are, such as "validation texts of sms-spam/1.0.0".
    `accepted_id` is the row of the accepted reference.
    """

    kind: ReferenceKind
    rows: int
    columns: Columns
    edges: dict[str, list[float]]
    since: datetime | None = None
    until: datetime | None = None
    texts: Sequence[str] = ()
    description: str = ""
    accepted_id: int | None = None


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
    return Reference(
        ReferenceKind.PROFILE,
        profile.rows,
        profile.columns,
        edges,
        description=f"validation texts of {artifact.name}",
    )


def window_reference(connection: Connection, window: Window, with_texts: bool) -> Reference:
    """Read the predictions of an earlier window as the reference."""
    rows = drift.observations(connection, window)
    texts = drift.texts(connection, window) if with_texts else []
    since, until = (rows[0].scored_at, rows[-1].scored_at) if rows else (None, None)
    return Reference(
        ReferenceKind.WINDOW,
        len(rows),
        window_columns(rows),
        {},
        since,
        until,
        texts,
        description=_traffic(since, until),
    )


def accepted_reference(accepted: Row[Any], columns: Columns) -> Reference:
    """Return the reference that somebody accepted; `columns` are those of the report's source."""
    reason = accepted.reason
    if len(reason) > LONGEST_REASON:
        reason = reason[: LONGEST_REASON - 1] + "…"
    traffic = _traffic(accepted.window_from, accepted.window_to)
    return Reference(
        ReferenceKind.ACCEPTED,
        len(columns["decision"]),
        columns,
        {},
        accepted.window_from,
        accepted.window_to,
        description=f"{traffic}, accepted by {accepted.accepted_by}: {reason}",
        accepted_id=accepted.id,
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


def _traffic(since: datetime | None, until: datetime | None) -> str:
    if since is None or until is None:
        return "earlier traffic"
    begin, end = (f"{time.astimezone(UTC):%Y-%m-%d %H:%M}" for time in (since, until))
    return f"traffic of {begin} to {end} UTC"
