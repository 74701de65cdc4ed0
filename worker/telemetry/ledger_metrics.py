"""Metrics of the whole system, read from PostgreSQL: the same from every worker, and absent while
PostgreSQL is unavailable.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from time import monotonic

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from plumbline_client.deadline import time_limit
from storage.database import connect, is_unreachable, limit_statement_time
from storage.jobs.overdue_leases import overdue_leases
from storage.jobs.quarantine import count_quarantined
from storage.jobs.queue import queue_length
from storage.progress import PROBING
from storage.reports import alerts, quality
from storage.reports.current_verdicts import current_verdicts
from storage.reports.quality import LatestQuality
from storage.serving import deployments
from storage.states import JobState, Role
from storage.task_ages import task_ages

log = logging.getLogger(__name__)
# However often Prometheus scrapes, PostgreSQL is queried at most once per CACHE_S, and each query
# may take QUERY_LIMIT_S.
CACHE_S = 10.0
QUERY_LIMIT_S = 2.0
# Prometheus gives up after 10 s.
SCRAPE_LIMIT_S = 8.0

# Of the metrics of all sources, those of the labelled sources only.
PART = "_labelled_sources"

Query = Callable[[Connection], list[Metric]]


@dataclass(frozen=True, slots=True)
class SeriesLimits:
    """Of the sources, the `max_sources` largest have series; see `Settings.drift_valid_s`."""

    max_sources: int
    drift_valid_s: float


class LedgerCollector(Collector):
    """Queries PostgreSQL at `url` through a connection that lives only for one scrape."""

    def __init__(
        self, url: str, limits: SeriesLimits, now: Callable[[], float] = monotonic
    ) -> None:
        self._url = url
        self._limits = limits
        self._now = now
        self._lock = threading.Lock()
        self._queried_at = float("-inf")
        self._metrics: list[Metric] = []

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            if self._now() - self._queried_at >= CACHE_S:
                self._metrics = self._query()
                self._queried_at = self._now()
            yield from self._metrics

    def _query(self) -> list[Metric]:
        # The engine is not kept: it would cross the fork of the next child.
        engine = connect(self._url, pool_size=1, limits=PROBING)
        try:
            with time_limit(SCRAPE_LIMIT_S), engine.connect() as connection:
                by_source = [partial(query, self._limits) for query in SOURCE_QUERIES]
                queries: list[Query] = [*QUERIES, *by_source]
                metrics = [metric for query in queries for metric in _run(connection, query)]
            return [_database_up(True), *metrics]
        except DBAPIError:
            return [_database_up(False)]
        finally:
            engine.dispose()


def _run(connection: Connection, query: Query) -> list[Metric]:
    """Run one query; return nothing if PostgreSQL refuses it, for example after the time limit."""
    try:
        with connection.begin():
            limit_statement_time(connection, QUERY_LIMIT_S)
            return query(connection)
    except DBAPIError as error:
        if is_unreachable(error):
            raise
        name = getattr(query, "func", query).__name__
        log.warning("the metrics of %s are omitted: %s", name, error.orig)
        return []


def queue(connection: Connection) -> list[Metric]:
    length = queue_length(connection)
    jobs = _gauge("queue_jobs", "Jobs that are queued or leased.", ["state"])
    jobs.add_metric([JobState.QUEUED], length.queued)
    jobs.add_metric([JobState.LEASED], length.leased)
    oldest = _gauge("oldest_queued_seconds", "Age of the oldest queued job.")
    oldest.add_metric([], length.oldest_queued_s or 0.0)
    return [jobs, oldest]


def quarantined(connection: Connection) -> list[Metric]:
    gauge = _gauge("quarantined_jobs", "Quarantined jobs.")
    gauge.add_metric([], count_quarantined(connection))
    return [gauge]


def upkeep(connection: Connection) -> list[Metric]:
    interval = _gauge("periodic_task_interval_seconds", "Interval of a periodic task.", ["task"])
    began = _gauge("periodic_task_age_seconds", "Time since a run began.", ["task"])
    completed = _gauge(
        "periodic_task_completed_age_seconds", "Time since a run did all of its work.", ["task"]
    )
    for task in task_ages(connection):
        interval.add_metric([task.task], task.every_s)
        began.add_metric([task.task], task.age_s)
        completed.add_metric([task.task], task.since_completed_s)
    return [interval, began, completed]


def leases(connection: Connection) -> list[Metric]:
    overdue = overdue_leases(connection)
    count = _gauge("overdue_leases", "Leases that have expired and were not ended.")
    count.add_metric([], overdue.leases)
    oldest = _gauge("oldest_overdue_lease_seconds", "Time since the first of them expired.")
    oldest.add_metric([], overdue.oldest_s)
    return [count, oldest]


def serving(connection: Connection) -> list[Metric]:
    info = _gauge("live_model_info", "The versions that serve, by role.", ["model", "role"])
    share = _gauge("canary_ratio", "Share of jobs that the canary scores.")
    current = deployments.serving(connection)
    if current is not None:
        versions = {"live": current.live, "shadow": current.shadow, "canary": current.canary}
        for role, model in versions.items():
            if model is not None:
                info.add_metric([model, role], 1)
        share.add_metric([], current.canary_share)
    return [info, share]


def drift(limits: SeriesLimits, connection: Connection) -> list[Metric]:
    info = _gauge(
        "drift_verdict_info", "The current verdicts on drift.", ["source", "verdict", "model"]
    )
    created = _gauge(
        "drift_report_timestamp_seconds", "When their reports were created.", ["source", "model"]
    )
    current = current_verdicts(connection, limits.drift_valid_s)
    overall = [report for report in current if report.source is None]
    of_sources = [report for report in current if report.source is not None]
    for report in (*overall, *of_sources[: limits.max_sources]):
        info.add_metric([report.source or "", report.verdict, report.model], 1)
        created.add_metric([report.source or "", report.model], report.created_at.timestamp())
    return [info, _without_repeats(created)]


def firing(connection: Connection) -> list[Metric]:
    gauge = _gauge("alert_firing", "Alerts that are open.", ["rule", "subject", "severity"])
    for alert in alerts.open_alerts(connection):
        gauge.add_metric([alert.rule, alert.subject, alert.severity], 1)
    return [gauge]


def latest_quality(limits: SeriesLimits, connection: Connection) -> list[Metric]:
    labels = ["model", "role", "source", "metric"]
    ratio = _gauge("quality_ratio", "Quality in the newest window.", [*labels, "known_by"])
    labelled = _gauge(
        "quality_labelled_jobs", "Labelled jobs behind the realized quality.", labels[:3]
    )
    status = _gauge(
        "quality_estimate_status_info",
        "Whether the estimate is trusted, withheld under drift, or not checked.",
        [*labels[:3], "status"],
    )
    for row in quality.latest(connection, max_sources=limits.max_sources):
        values = [row.model, Role(row.role), row.source or ""]
        for known_by, value in _known_values(row):
            ratio.add_metric([*values, row.metric, known_by], value)
        labelled.add_metric(values, row.labelled_rows)
        status.add_metric([*values, row.estimate_status], 1)
    return [ratio, _without_repeats(labelled), _without_repeats(status)]


def _known_values(row: LatestQuality) -> Iterator[tuple[str, float]]:
    """Yield the values of `known_by`; those of a part of the sources are not called the whole's."""
    realized = PART if (row.labelled_share or 1.0) < 1.0 else ""
    combined = PART if (row.combined_share or 1.0) < 1.0 else ""
    values = {
        "estimated": row.estimated,
        "estimated_low": row.estimated_low,
        "estimated_high": row.estimated_high,
        f"realized{realized}": row.realized,
        f"combined{combined}": row.combined,
        f"combined{combined}_low": row.combined_low,
        f"combined{combined}_high": row.combined_high,
    }
    yield from ((name, value) for name, value in values.items() if value is not None)


QUERIES: tuple[Query, ...] = (queue, quarantined, upkeep, leases, serving, firing)
SOURCE_QUERIES: tuple[Callable[[SeriesLimits, Connection], list[Metric]], ...] = (
    drift,
    latest_quality,
)


def _database_up(up: bool) -> Metric:
    gauge = _gauge("database_up", "Whether PostgreSQL responds to this worker.")
    gauge.add_metric([], float(up))
    return gauge


def _without_repeats(metric: GaugeMetricFamily) -> Metric:
    """Keep one sample per set of labels, the last of those that several rows repeat."""
    metric.samples = list({tuple(s.labels.items()): s for s in metric.samples}.values())
    return metric


def _gauge(name: str, documentation: str, labels: list[str] | None = None) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"plumbline_{name}", documentation, labels=labels or [])
