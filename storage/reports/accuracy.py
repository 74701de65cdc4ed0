"""The current accuracy of a version on one source, for the dashboards that plot it over time."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from storage.reports.quality import LATEST_S

# The reports are chosen first, because the view examines the drift of every report that it returns.
ACCURACY = text("""
WITH candidates AS (
    SELECT reports.id, reports.window_to, metrics.realized
    FROM plumbline.quality_reports AS reports
    JOIN plumbline.quality_values AS metrics ON metrics.report_id = reports.id
    WHERE model = :model AND role = 'live' AND coalesce(source, '') = coalesce(:source, '')
      AND metric = 'accuracy' AND window_rows > 0
      AND window_to > now() - make_interval(secs => :latest_s)
), newest AS (
    SELECT id FROM candidates ORDER BY window_to DESC, id DESC LIMIT 1
), labelled AS (
    SELECT id FROM candidates WHERE realized IS NOT NULL ORDER BY window_to DESC, id DESC LIMIT 1
)
SELECT (SELECT estimated FROM plumbline.quality
        WHERE report_id = (SELECT id FROM newest) AND metric = 'accuracy'
          AND estimate_status = 'trusted'),
       (SELECT combined FROM plumbline.quality
        WHERE report_id = (SELECT id FROM labelled) AND metric = 'accuracy'),
       (SELECT realized FROM plumbline.quality
        WHERE report_id = (SELECT id FROM labelled) AND metric = 'accuracy')
""")


@dataclass(frozen=True, slots=True)
class Accuracy:
    """In [0, 1]; None if unknown. `estimated` is None unless the window was checked for drift."""

    estimated: float | None = None
    combined: float | None = None
    realized: float | None = None


def newest_accuracy(connection: Connection, model: str, source: str | None) -> Accuracy:
    """Return the estimate of the newest quality report, and what the newest labels show.

    A `source` of None is all sources.
    """
    parameters = {"model": model, "source": source, "latest_s": LATEST_S}
    return Accuracy(*connection.execute(ACCURACY, parameters).one())
