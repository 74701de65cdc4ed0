"""What the processes of this worker count: texts, times, tokens, errors. Before `begin`, nothing.

Each writes into the mapped file of its place in the pool, where its successor goes on: what a
killed process counted stays counted, and there are never more files than places.
"""

from __future__ import annotations

import os
from collections import Counter as Tally
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import Counter, Histogram, values

if TYPE_CHECKING:
    from worker.processing.score_message import Outcome

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# The limits of what a person would act on: a text waits for milliseconds, or for a bulk load.
QUEUE_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
# 0.2 s is what a text of 512 tokens may take.
SCORE_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 10, 60)
CHUNK_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)


class Ended(StrEnum):
    """What a message left of a text: label `outcome` of `plumbline_jobs_total`."""

    SCORED = "scored"
    REJECTED = "rejected"
    FAILED = "failed"
    RETURNED = "returned"
    ELSEWHERE = "elsewhere"


class ErrorKind(StrEnum):
    """Label `kind` of `plumbline_errors_total`, and field `kind` of an error's line in the log."""

    MESSAGE = "message"
    MODEL = "model"
    MEMORY = "memory"
    TIME_LIMIT = "time_limit"
    CRASH = "crash"
    SHADOW = "shadow"
    DATABASE = "database"
    REPORT = "report"
    TASK = "task"


class Counts:
    """The metrics themselves; docs/metrics.md says what each means."""

    def __init__(self) -> None:
        jobs = ["outcome", "model"]
        self.jobs = _counter("jobs", "Texts by what became of them in a message.", jobs)
        self.decisions = _counter(
            "decisions", "Answers by what they decided.", ["model", "decision"]
        )
        self.tokens = _counter("tokens", "Tokens of the texts that were scored.", ["model"])
        self.shadow_jobs = _counter(
            "shadow_jobs", "Texts by what became of them in the shadow.", ["outcome"]
        )
        self.errors = _counter("errors", "Errors by kind.", ["kind"])
        self.retries = _counter("retries", "Messages put back to be tried again.")
        self.queue_s = _histogram(
            "queue_seconds", "From a text's acceptance until it was scored.", QUEUE_BUCKETS_S
        )
        self.score_s = _histogram(
            "score_seconds", "In the model, one text.", SCORE_BUCKETS_S, ["model"]
        )
        self.chunk_s = _histogram(
            "chunk_seconds", "A whole message, from its claim to its commit.", CHUNK_BUCKETS_S
        )
        # A rate wants the zero before the first one.
        for kind in ErrorKind:
            self.errors.labels(kind)
        for ended in set(Ended) - {Ended.SCORED}:
            self.jobs.labels(ended, "")
        for ended in (Ended.SCORED, Ended.FAILED):
            self.shadow_jobs.labels(ended)


_counts: Counts | None = None
_place = "parent"


def begin(folder: Path) -> None:
    """Count from now on, with files in `folder`. Before the fork, once."""
    global _counts
    os.environ[FOLDER_VARIABLE] = str(folder)
    # As the library's documentation has it for uWSGI: an identifier that a successor inherits.
    values.ValueClass = values.MultiProcessValue(lambda: _place)  # type: ignore[no-untyped-call]
    _counts = Counts()


def take_place(place: int) -> None:
    """After the fork: write where this place's earlier processes wrote."""
    global _place
    _place = str(place)


def observe(outcome: Outcome, took_s: float) -> None:
    """Count one message that ended after `took_s` seconds."""
    if _counts is None:
        return
    _counts.chunk_s.observe(took_s)
    _count_ends(_counts, outcome)
    _count_answers(_counts, outcome)
    if outcome.beside.scored:
        _counts.shadow_jobs.labels(Ended.SCORED).inc(outcome.beside.scored)
    if outcome.beside.failed:
        _counts.shadow_jobs.labels(Ended.FAILED).inc(outcome.beside.failed)
        error(ErrorKind.SHADOW, outcome.beside.failed)


def error(kind: ErrorKind, times: int = 1) -> dict[str, str]:
    """Count an error; return what its line in the log carries as `extra`."""
    if _counts is not None:
        _counts.errors.labels(kind).inc(times)
    return {"kind": kind}


def retry() -> None:
    """Count a message that was put back."""
    if _counts is not None:
        _counts.retries.inc()


def _count_ends(counts: Counts, outcome: Outcome) -> None:
    # What was scored and not written had been claimed by another meanwhile.
    late = len(outcome.finished) - len(outcome.answered)
    ends = {
        Ended.REJECTED: outcome.refused + len(outcome.rejected),
        Ended.FAILED: len(outcome.failed),
        Ended.RETURNED: len(outcome.returned),
        Ended.ELSEWHERE: outcome.skipped + late,
    }
    for ended, texts in ends.items():
        if texts:
            counts.jobs.labels(ended, "").inc(texts)


def _count_answers(counts: Counts, outcome: Outcome) -> None:
    """Sums first: one write a message and series, but for the two times of each text."""
    scored, tokens = Tally[str](), Tally[str]()
    decisions = Tally[tuple[str, str]]()
    for answer in outcome.answered:
        scored[answer.model] += 1
        tokens[answer.model] += answer.tokens
        decisions[answer.model, answer.decision] += 1
        counts.queue_s.observe(answer.queue_ms / 1000.0)
        counts.score_s.labels(answer.model).observe(answer.score_ms / 1000.0)
    for model, texts in scored.items():
        counts.jobs.labels(Ended.SCORED, model).inc(texts)
        counts.tokens.labels(model).inc(tokens[model])
    for (model, decision), texts in decisions.items():
        counts.decisions.labels(model, decision).inc(texts)


# Without a registry: who asks reads the files of all processes (`worker.telemetry.exporter`).
def _counter(name: str, says: str, labels: Any = ()) -> Counter:
    return Counter(f"plumbline_{name}", says, labels, registry=None)


def _histogram(name: str, says: str, buckets: tuple[float, ...], labels: Any = ()) -> Histogram:
    return Histogram(f"plumbline_{name}", says, labels, buckets=buckets, registry=None)
