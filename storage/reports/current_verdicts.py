"""The verdicts on drift that hold now, for the versions that serve and each of their sources.

The newest report is not always the current verdict: a report on too few texts, or on a smaller
window that somebody chose, does not prove that a drift has ended. A verdict holds while the version
serves and its reference is the one that the report had.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from sqlalchemy import Connection, text

from storage.database import now
from storage.serving.newest import NEWEST_DEPLOYMENT
from storage.states import DriftVerdict

COMPARED = f"verdict IN ('{DriftVerdict.STABLE}', '{DriftVerdict.DRIFT}')"
STANDARD = "NOT chosen_window AND NOT chosen_reference"

# The report was compared with what is not the reference any more: traffic was accepted after it,
# or the acceptance was revoked.
OUTDATED = """EXISTS (
    SELECT FROM plumbline.accepted_references AS accepted
    WHERE (accepted.id = reports.accepted_id AND accepted.revoked_at IS NOT NULL)
       OR (accepted.model = reports.model AND accepted.revoked_at IS NULL
           AND accepted.accepted_at > reports.created_at AND NOT reports.chosen_reference
           AND (accepted.source IS NOT DISTINCT FROM reports.source
                OR (accepted.source IS NULL AND accepted.columns -> 'source' ? reports.source))))"""

# Of the live version and all sources, everything since the last standard report, which decides.
# Of a source, which may have stopped for good, and of a canary, what was reported lately.
RECENT = text(f"""
WITH serving AS (
    SELECT model AS live, canary FROM ({NEWEST_DEPLOYMENT}) AS newest
), decisive AS (
    SELECT max(id) AS id FROM plumbline.drift_reports AS reports, serving
    WHERE model = live AND source IS NULL AND {COMPARED} AND {STANDARD} AND NOT {OUTDATED}
), recent AS (
    SELECT reports.*, model = live AND source IS NULL AS overall
    FROM plumbline.drift_reports AS reports, serving, decisive
    WHERE ((model = live AND source IS NULL AND reports.id >= coalesce(decisive.id, 0))
           OR (model IN (live, canary) AND (source IS NOT NULL OR model <> live)
               AND created_at > now() - make_interval(secs => :valid_s)))
      AND NOT {OUTDATED}
)
SELECT id, model, source, verdict, summary, created_at, window_rows, scheduled, chosen_window,
       chosen_reference, overall,
       (SELECT coalesce(max(value / nullif(threshold, 0)), 0) FROM plumbline.drift_values
         WHERE report_id = recent.id) AS strength
FROM recent ORDER BY model, source NULLS FIRST, id DESC
""")

# A report that was requested by hand on too few texts does not show that reports are made.
LAST_REPORTED = text(f"""
SELECT max(created_at)
FROM plumbline.drift_reports, (SELECT model AS live FROM ({NEWEST_DEPLOYMENT}) AS newest) AS serving
WHERE model = live AND source IS NULL AND (scheduled OR ({COMPARED} AND {STANDARD}))
""")

# From the worst to the best.
SEVERITY = (
    DriftVerdict.DRIFT,
    DriftVerdict.FAILED,
    DriftVerdict.STABLE,
    DriftVerdict.TOO_LITTLE_DATA,
)


@dataclass(frozen=True, slots=True)
class CurrentVerdict:
    """A report whose verdict holds; a `source` of None is all sources together.

    `overall` is whether it is about the live version and all sources. `strength` is its highest
    drift score in units of the threshold. The other fields are those of `storage.tables`.
    """

    id: int
    model: str
    source: str | None
    verdict: str
    summary: str
    created_at: datetime
    window_rows: int = 0
    scheduled: bool = True
    chosen_window: bool = False
    chosen_reference: bool = False
    overall: bool = False
    strength: float = 0.0

    @property
    def alarming(self) -> bool:
        return self.verdict in (DriftVerdict.DRIFT, DriftVerdict.FAILED)


def current_verdicts(connection: Connection, valid_s: float) -> list[CurrentVerdict]:
    """Return what holds now, the worst first.

    A verdict on one source, or on a canary, holds for `valid_s`.
    """
    rows = connection.execute(RECENT, {"valid_s": valid_s}).all()
    reports = [CurrentVerdict(*row) for row in rows]
    return select_current(reports, now(connection) - timedelta(seconds=valid_s))


def last_reported(connection: Connection) -> datetime | None:
    """Return when the live version and all sources were last reported on; None if never."""
    at: datetime | None = connection.execute(LAST_REPORTED).scalar_one()
    return at


def select_current(
    reports: Iterable[CurrentVerdict], valid_since: datetime
) -> list[CurrentVerdict]:
    """Return the reports whose verdict holds, the worst first.

    `reports` are grouped by model and source, the newest of each first.
    """
    groups = groupby(reports, key=lambda report: (report.model, report.source))
    current = [report for _, group in groups for report in holding(list(group), valid_since)]
    return sorted(current, key=_severity)


def holding(reports: Sequence[CurrentVerdict], valid_since: datetime) -> list[CurrentVerdict]:
    """Return the reports on one subject whose verdict holds; `reports` are the newest first.

    Drift and a failure may hold at the same time. If there is neither, the newest verdict holds.
    """
    held: dict[str, CurrentVerdict] = {}
    compared: list[CurrentVerdict] = []
    starved = False
    for report in reports:
        if report.verdict == DriftVerdict.TOO_LITTLE_DATA:
            starved = starved or report.scheduled
            continue
        # The texts of this verdict have left the window long ago, and too few came after them.
        if starved and report.created_at < valid_since:
            break
        # A comparison that fails with a reference of the requester's choice proves nothing.
        unproven = report.verdict == DriftVerdict.FAILED and report.chosen_reference
        if not unproven and not any(replaces(newer, report) for newer in compared):
            held.setdefault(report.verdict, report)
        if report.verdict in (DriftVerdict.STABLE, DriftVerdict.DRIFT):
            compared.append(report)
    alarming = [report for report in held.values() if report.alarming]
    untested = [report for report in reports if report.verdict == DriftVerdict.TOO_LITTLE_DATA]
    return alarming or list(held.values()) or untested[:1]


def replaces(newer: CurrentVerdict, older: CurrentVerdict) -> bool:
    """Return whether a comparison ends the verdict of an older report on the same subject.

    It does if it has the reference of the settings, and either their window or one as large.
    """
    large = not newer.chosen_window or newer.window_rows >= older.window_rows
    return large and not newer.chosen_reference


def _severity(report: CurrentVerdict) -> tuple[int, float, str, str]:
    verdict = SEVERITY.index(DriftVerdict(report.verdict))
    return verdict, -report.strength, report.model, report.source or ""
