"""The parts of the benchmark. Each returns its figures by case; a case is measured in turns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.pipeline import bulk, graphile
from benchmarks.pipeline.cpu import tree
from benchmarks.pipeline.fake_scorer import SLEEP_MS
from benchmarks.pipeline.load import Rates, measure_ledger, measure_plain
from benchmarks.pipeline.servers import (
    FAKE_APP,
    PLAIN_APP,
    PLAIN_QUEUE,
    PLUMBLINE_APP,
    Servers,
    celery_worker,
)
from benchmarks.pipeline.texts import short_texts

LIST_SIZE = 64
SHIPPED = "sms-spam"
WORKERS = (1, 2, 4, 8)
PLAIN, SINGLE, LISTS = "plain Celery task", "ledger, single texts", "ledger, lists of 64"


@dataclass(frozen=True, slots=True)
class Options:
    """`texts` scales each part; `data` has real texts; `graphile` is the folder of its package.

    `sleep_ms` is what a text takes while the number of workers grows.
    """

    texts: int
    rounds: int
    data: Path | None
    models_dir: Path
    model: str
    graphile: Path | None
    sleep_ms: float


def bulk_part(servers: Servers, options: Options) -> dict[str, Any]:
    texts = short_texts(options.data, options.texts)
    return bulk.measure(servers, texts, options.models_dir, options.model, options.rounds, 2)


def single_part(servers: Servers, options: Options) -> dict[str, Any]:
    """Single jobs beside the plain task, with the shipped model on two processes."""
    return compare(servers, options, PLUMBLINE_APP, {}, options.texts // 4)


def small_model_part(servers: Servers, options: Options) -> dict[str, Any]:
    """The same with a scorer that answers at once."""
    return compare(servers, options, FAKE_APP, {"BENCHMARK_FAKE": 1}, options.texts // 4)


def compare(
    servers: Servers, options: Options, app: str, extra: Mapping[str, object], singles: int
) -> dict[str, Any]:
    rates = {name: Rates() for name in (PLAIN, SINGLE, LISTS)}
    for number in range(options.rounds + 1):
        # The first round is the warm-up.
        into = rates if number else {name: Rates() for name in rates}
        with celery_worker(servers, PLAIN_APP, 2, "-Q", PLAIN_QUEUE, extra=extra):
            measure_plain(servers, into[PLAIN], singles)
        with celery_worker(servers, app, 2):
            measure_ledger(servers, into[SINGLE], singles, 1)
            measure_ledger(servers, into[LISTS], 2 * options.texts, LIST_SIZE)
    return {name: case.document() for name, case in rates.items()}


def ledger_part(servers: Servers, options: Options) -> dict[str, Any]:
    """Texts per second of a scorer that answers at once, beside graphile-worker."""
    figures: dict[str, Any] = {}
    count = 4 * options.texts
    peers = {"graphile-worker, empty task": False, "graphile-worker, one insert": True}
    for processes in (1, 2):
        rates = {LISTS: Rates()} | ({name: Rates() for name in peers} if options.graphile else {})
        for number in range(options.rounds + 1):
            into = rates if number else {name: Rates() for name in rates}
            with celery_worker(servers, FAKE_APP, processes):
                measure_ledger(servers, into[LISTS], count, LIST_SIZE)
            if options.graphile is None:
                continue
            for name, inserts in peers.items():
                with graphile.workers(servers, options.graphile, processes, inserts=inserts):
                    graphile.measure(servers, into[name], count, inserts=inserts)
        figures |= {f"{name}, {processes} scoring": r.document() for name, r in rates.items()}
    return figures


def growth_part(servers: Servers, options: Options) -> dict[str, Any]:
    """Jobs per second of workers with one process each, whose scorer sleeps."""
    figures: dict[str, Any] = {}
    for size in (1, LIST_SIZE):
        first = 0.0
        for workers in WORKERS:
            rates = Rates()
            count = max(workers * options.texts // 20, 2 * workers * size)
            with several_workers(servers, workers, options.sleep_ms):
                measure_ledger(servers, Rates(), 4 * workers, size)
                measure_ledger(servers, rates, count, size)
            first = first or rates.per_s[0]
            figures[f"{workers} workers, {size} per message"] = rates.document() | {
                "workers": workers,
                "message_size": size,
                "of_linear": round(rates.per_s[0] / (workers * first), 3),
            }
    return figures


@contextmanager
def several_workers(servers: Servers, workers: int, sleep_ms: float) -> Iterator[None]:
    with ExitStack() as running:
        for number in range(workers):
            running.enter_context(
                celery_worker(
                    servers,
                    FAKE_APP,
                    1,
                    name=f"worker{number}",
                    extra={SLEEP_MS: sleep_ms},
                )
            )
        yield


def soak_part(servers: Servers, options: Options) -> dict[str, Any]:
    """Resident memory of a worker with one process, over 50 times `texts` jobs."""
    total, step = 50 * options.texts, max(LIST_SIZE, options.texts // 2)
    series: list[dict[str, float]] = []
    with celery_worker(servers, FAKE_APP, 1) as worker:
        for done in range(0, total + 1, step):
            if done:
                measure_ledger(servers, Rates(), step, LIST_SIZE)
            series.append({"jobs": done} | resident_mb(worker.pid))
    after = next(point for point in series if point["jobs"] >= min(10_000, total // 20))
    growth = {
        name: round(100.0 * (series[-1][name] / after[name] - 1.0), 2)
        for name in ("parent", "child")
    }
    return {"growth_percent": growth, "series": series}


def resident_mb(parent: int) -> dict[str, float]:
    sizes = {p.pid: round(p.resident_bytes / 2**20, 2) for p in tree(parent)}
    own = sizes.pop(parent)
    return {"parent": own, "child": sum(sizes.values())}


PARTS = {
    "bulk": bulk_part,
    "single": single_part,
    "small-model": small_model_part,
    "ledger": ledger_part,
    "growth": growth_part,
    "soak": soak_part,
}
