"""The ledger's figures for a scrape: the same whichever worker is asked, and absent while
PostgreSQL is away.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from time import monotonic

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from plumbline_client.states import JobState
from storage.database import connect, is_unavailable
from storage.reports import alerts, figures, quality
from storage.serving import deployments
from storage.states import Role

log = logging.getLogger(__name__)
# However often we are asked, PostgreSQL is so at most every EVERY_S, for at most LIMIT_S a figure.
EVERY_S = 10.0
LIMIT_S = 2.0

Figure = Callable[[Connection], list[Metric]]


class LedgerCollector(Collector):
    """Asks PostgreSQL at `url`, with a connection that lives no longer than the answer."""

    def __init__(self, url: str, now: Callable[[], float] = monotonic) -> None:
        self._url = url
        self._now = now
        self._lock = threading.Lock()
        self._asked_at = float("-inf")
        self._answer: list[Metric] = []

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            if self._now() - self._asked_at >= EVERY_S:
                self._answer = self._ask()
                self._asked_at = self._now()
            yield from self._answer

    def _ask(self) -> list[Metric]:
        # No engine is kept: it would cross the fork of the next child.
        engine = connect(self._url, pool_size=1)
        try:
            with engine.connect() as connection:
                found = [metric for figure in FIGURES for metric in _told(connection, figure)]
            return [_database_up(True), *found]
        except DBAPIError:
            return [_database_up(False)]
        finally:
            engine.dispose()


def _told(connection: Connection, figure: Figure) -> list[Metric]:
    """One figure; none where PostgreSQL refuses it, as for one that takes too long."""
    try:
        with connection.begin():
            figures.limit_time(connection, LIMIT_S)
            return figure(connection)
    except DBAPIError as error:
        if is_unavailable(error):
            raise
        log.warning("the metrics of %s are left out: %s", figure.__name__, error)
        return []


def waiting(connection: Connection) -> list[Metric]:
    found = figures.waiting(connection)
    depth = _gauge("queue_jobs", "Texts in the ledger that are not done.", ["state"])
    depth.add_metric([JobState.QUEUED], found.queued)
    depth.add_metric([JobState.LEASED], found.leased)
    oldest = _gauge("oldest_queued_seconds", "Age of the text that has waited longest.")
    oldest.add_metric([], found.oldest_s or 0.0)
    return [depth, oldest]


def quarantined(connection: Connection) -> list[Metric]:
    gauge = _gauge("quarantined_jobs", "Texts set aside.")
    gauge.add_metric([], figures.quarantined(connection))
    return [gauge]


def serving(connection: Connection) -> list[Metric]:
    info = _gauge("live_model_info", "Which version serves, and as what.", ["model", "role"])
    share = _gauge("canary_ratio", "Share of the jobs that the canary answers.")
    found = deployments.serving(connection)
    if found is not None:
        versions = {"live": found.live, "shadow": found.shadow, "canary": found.canary}
        for role, model in versions.items():
            if model is not None:
                info.add_metric([model, role], 1)
        share.add_metric([], found.canary_share)
    return [info, share]


def drift(connection: Connection) -> list[Metric]:
    info = _gauge("drift_verdict_info", "What the newest drift report said.", ["source", "verdict"])
    made = _gauge("drift_report_timestamp_seconds", "When it was made.", ["source"])
    for found in figures.verdicts(connection):
        info.add_metric([found.source or "", found.verdict], 1)
        made.add_metric([found.source or ""], found.created_at.timestamp())
    return [info, made]


def firing(connection: Connection) -> list[Metric]:
    gauge = _gauge("alert_firing", "Alerts that are open.", ["rule", "subject", "severity"])
    for alert in alerts.firing(connection):
        gauge.add_metric([alert.rule, alert.subject, alert.severity], 1)
    return [gauge]


def known_quality(connection: Connection) -> list[Metric]:
    labels = ["model", "role", "source", "metric"]
    gauge = _gauge("quality_ratio", "Quality of the newest window.", [*labels, "known_by"])
    labelled = _gauge("quality_labelled_jobs", "Labels behind what was realized.", labels[:3])
    for row in quality.latest(connection):
        named = [row.model, Role(row.role), row.source or ""]
        for known_by in ("estimated", "estimated_low", "estimated_high", "realized"):
            value = getattr(row, known_by)
            if value is not None:
                gauge.add_metric([*named, row.metric, known_by], value)
        labelled.add_metric(named, row.labelled)
    return [gauge, _without_repeats(labelled)]


FIGURES: tuple[Figure, ...] = (waiting, quarantined, serving, drift, firing, known_quality)


def _database_up(up: bool) -> Metric:
    gauge = _gauge("database_up", "Whether PostgreSQL answers this worker.")
    gauge.add_metric([], float(up))
    return gauge


def _without_repeats(metric: GaugeMetricFamily) -> Metric:
    """A row of each metric says the same of its version."""
    metric.samples = list({tuple(s.labels.items()): s for s in metric.samples}.values())
    return metric


def _gauge(name: str, says: str, labels: list[str] | None = None) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"plumbline_{name}", says, labels=labels or [])
