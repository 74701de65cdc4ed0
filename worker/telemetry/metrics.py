"""Counters and histograms of this worker's processes. Nothing is counted before `begin_counting`.

Each process writes to the memory-mapped files of its index in the pool, and its successor continues
there: the counts of a killed process survive, and the number of files does not grow.

Counting never fails: texts are more important. A process that cannot count, because the folder is
full or was deleted, logs it once and stops counting.
"""

from __future__ import annotations

import functools
import logging
import os
from collections import Counter as Tally
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, ParamSpec

from prometheus_client import Counter, Histogram, values

from worker.processing.outcome import MessageOutcome
from worker.telemetry import preallocated

log = logging.getLogger(__name__)
P = ParamSpec("P")
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# From milliseconds, for a single text, to hours, behind a bulk load.
QUEUE_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
# A text of 512 tokens may take 0.2 s.
SCORE_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 10, 60)
CHUNK_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)


class TextOutcome(StrEnum):
    """The outcome of a text in a message: label `outcome` of `plumbline_jobs_total`."""

    SCORED = "scored"
    REJECTED = "rejected"
    FAILED = "failed"
    RETURNED = "returned"
    ELSEWHERE = "elsewhere"
    CONFLICT = "conflict"


class ErrorKind(StrEnum):
    """Label `kind` of `plumbline_errors_total`, and field `kind` of an error's log line."""

    MESSAGE = "message"
    MODEL = "model"
    ARTIFACT = "artifact"
    MEMORY = "memory"
    TIME_LIMIT = "time_limit"
    CRASH = "crash"
    SHADOW = "shadow"
    DATABASE = "database"
    REPORT = "report"
    TASK = "task"


class SweepOutcome(StrEnum):
    """Label `outcome` of `plumbline_sweeps_total`."""

    COMPLETED = "completed"
    # More jobs had to change than one sweep changes.
    UNFINISHED = "unfinished"
    # Skipped, because another transaction held the lock, or PostgreSQL refused.
    LOCKED = "locked"
    DATABASE = "database"
    # Redis accepted no wake-ups.
    BROKER = "broker"


class WorkerMetrics:
    """The metrics themselves; docs/metrics.md explains each."""

    def __init__(self) -> None:
        jobs = ["outcome", "model"]
        self.jobs = _counter("jobs", "Texts by their outcome in a message.", jobs)
        self.decisions = _counter("decisions", "Predictions by decision.", ["model", "decision"])
        self.tokens = _counter("tokens", "Tokens of scored texts.", ["model"])
        self.shadow_jobs = _counter(
            "shadow_jobs", "Texts by their outcome in the shadow.", ["outcome"]
        )
        self.errors = _counter("errors", "Errors by kind.", ["kind"])
        self.retries = _counter("retries", "Messages requeued to be tried again.")
        self.sweeps = _counter("sweeps", "Sweeps by outcome.", ["outcome"])
        self.unrecorded_rejections = _counter(
            "unrecorded_rejections", "Rejected messages that have no row, only a log line."
        )
        self.queue_s = _histogram(
            "queue_seconds", "Time from a text's acceptance until it was scored.", QUEUE_BUCKETS_S
        )
        self.score_s = _histogram(
            "score_seconds", "Time in the model per text.", SCORE_BUCKETS_S, ["model"]
        )
        self.chunk_s = _histogram(
            "chunk_seconds", "Time per message, from its claim to its commit.", CHUNK_BUCKETS_S
        )
        # A rate needs the zero before the first event.
        for kind in ErrorKind:
            self.errors.labels(kind)
        for sweep_outcome in SweepOutcome:
            self.sweeps.labels(sweep_outcome)
        for outcome in set(TextOutcome) - {TextOutcome.SCORED}:
            self.jobs.labels(outcome, "")
        for outcome in (TextOutcome.SCORED, TextOutcome.FAILED):
            self.shadow_jobs.labels(outcome)


@dataclass
class Counting:
    """`metrics` is None until counting begins; `writer` names the files of this process."""

    metrics: WorkerMetrics | None = None
    writer: str = "parent"


_counting = Counting()


def begin_counting(folder: Path) -> None:
    """Count from now on, with files in `folder`. Call it once, before the fork."""
    os.environ[FOLDER_VARIABLE] = str(folder)
    preallocated.install()
    # As the library documents for uWSGI: an identifier that a successor inherits.
    values.ValueClass = values.MultiProcessValue(  # type: ignore[no-untyped-call]
        lambda: _counting.writer
    )
    _counting.metrics = WorkerMetrics()


def harmless(count: Callable[P, None]) -> Callable[P, None]:
    """Stop counting in this process, instead of raising, if a count cannot be written."""

    @functools.wraps(count)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            count(*args, **kwargs)
        # Of a file that was closed after an OSError, the library makes a TypeError.
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            _counting.metrics = None
            log.warning("this process counts nothing from now on: %s", error)

    return wrapped


def set_pool_index(pool_index: int) -> None:
    """Write where earlier processes of this index wrote. Call it after the fork."""
    _counting.writer = str(pool_index)


@harmless
def observe_message(outcome: MessageOutcome, duration_s: float) -> None:
    """Count one message that ended after `duration_s`."""
    metrics = _counting.metrics
    if metrics is None:
        return
    metrics.chunk_s.observe(duration_s)
    _count_texts_without_score(metrics, outcome)
    _count_predictions(metrics, outcome)
    if outcome.shadow.scored:
        metrics.shadow_jobs.labels(TextOutcome.SCORED).inc(outcome.shadow.scored)
    if outcome.shadow.failed:
        metrics.shadow_jobs.labels(TextOutcome.FAILED).inc(outcome.shadow.failed)
        count_error(ErrorKind.SHADOW, outcome.shadow.failed)


def count_error(kind: ErrorKind, times: int = 1) -> dict[str, str]:
    """Count an error; return the fields for its log line, to be passed as `extra`."""
    _count_error(kind, times)
    return {"kind": kind}


@harmless
def _count_error(kind: ErrorKind, times: int) -> None:
    if _counting.metrics is not None:
        _counting.metrics.errors.labels(kind).inc(times)


@harmless
def count_sweep(outcome: SweepOutcome) -> None:
    if _counting.metrics is not None:
        _counting.metrics.sweeps.labels(outcome).inc()


@harmless
def count_retry() -> None:
    """Count a message that was requeued."""
    if _counting.metrics is not None:
        _counting.metrics.retries.inc()


@harmless
def count_unrecorded_rejection() -> None:
    """Count a rejected message whose row could not be written."""
    if _counting.metrics is not None:
        _counting.metrics.unrecorded_rejections.inc()


def _count_texts_without_score(metrics: WorkerMetrics, outcome: MessageOutcome) -> None:
    # Scored but not written: another worker had claimed the text in the meantime.
    late = len(outcome.predictions) - len(outcome.written)
    counts = {
        TextOutcome.REJECTED: outcome.rejected_count,
        TextOutcome.CONFLICT: outcome.conflicts,
        TextOutcome.FAILED: len(outcome.failed),
        TextOutcome.RETURNED: len(outcome.returned),
        TextOutcome.ELSEWHERE: outcome.skipped + late,
    }
    for text_outcome, texts in counts.items():
        if texts:
            metrics.jobs.labels(text_outcome, "").inc(texts)


def _count_predictions(metrics: WorkerMetrics, outcome: MessageOutcome) -> None:
    """Add up first, so that a message costs one write per series, except for the two histograms."""
    scored, tokens = Tally[str](), Tally[str]()
    decisions = Tally[tuple[str, str]]()
    for prediction in outcome.written:
        scored[prediction.model] += 1
        tokens[prediction.model] += prediction.tokens
        decisions[prediction.model, prediction.decision] += 1
        metrics.queue_s.observe(prediction.queue_ms / 1000.0)
        metrics.score_s.labels(prediction.model).observe(prediction.score_ms / 1000.0)
    for model, texts in scored.items():
        metrics.jobs.labels(TextOutcome.SCORED, model).inc(texts)
        metrics.tokens.labels(model).inc(tokens[model])
    for (model, decision), texts in decisions.items():
        metrics.decisions.labels(model, decision).inc(texts)


# Without a registry: the exporter reads the files of all processes (`worker.telemetry.exporter`).
def _counter(name: str, documentation: str, labels: Any = ()) -> Counter:
    return Counter(f"plumbline_{name}", documentation, labels, registry=None)


def _histogram(
    name: str, documentation: str, buckets: tuple[float, ...], labels: Any = ()
) -> Histogram:
    return Histogram(f"plumbline_{name}", documentation, labels, buckets=buckets, registry=None)
