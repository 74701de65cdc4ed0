import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, values
from prometheus_client.multiprocess import MultiProcessCollector

from storage.jobs.ledger import Lease, NewPrediction
from tests.answers import answer
from worker.processing.score_message import Outcome
from worker.processing.shadow import ShadowOutcome
from worker.telemetry import metrics
from worker.telemetry.metrics import ErrorKind


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CollectorRegistry]:
    """What a scrape would find, of metrics that count from here on."""
    monkeypatch.setenv(metrics.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    monkeypatch.setattr(metrics, "_counts", None)
    monkeypatch.setattr(metrics, "_place", "parent")
    metrics.begin(tmp_path)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(tmp_path))
    yield registry


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"plumbline_{name}", labels)


def finished(model: str = "m/1.0.0", **given: Any) -> NewPrediction:
    return answer(model=model, **{"tokens": 10, "queue_ms": 40.0, "score_ms": 3.0} | given)


def outcome(*answers: NewPrediction) -> Outcome:
    return Outcome(scored=len(answers), finished=list(answers), answered=list(answers))


def lease() -> Lease:
    return Lease(uuid.uuid4(), 1, "text", (), 0.0)


def test_answers_are_counted_by_version_and_decision(registry: CollectorRegistry) -> None:
    metrics.observe(
        outcome(finished(), finished(decision="review"), finished("m/2.0.0", tokens=5)), 0.25
    )
    assert value(registry, "jobs_total", outcome="scored", model="m/1.0.0") == 2
    assert value(registry, "jobs_total", outcome="scored", model="m/2.0.0") == 1
    assert value(registry, "tokens_total", model="m/1.0.0") == 20
    assert value(registry, "decisions_total", model="m/1.0.0", decision="review") == 1


def test_times_are_in_seconds(registry: CollectorRegistry) -> None:
    metrics.observe(outcome(finished(queue_ms=1_500.0, score_ms=7.0)), 0.25)
    assert value(registry, "queue_seconds_sum") == 1.5
    assert value(registry, "queue_seconds_bucket", le="1.0") == 0
    assert value(registry, "queue_seconds_bucket", le="2.5") == 1
    assert value(registry, "score_seconds_sum", model="m/1.0.0") == 0.007
    assert value(registry, "chunk_seconds_sum") == 0.25
    assert value(registry, "chunk_seconds_count") == 1


def test_every_text_of_a_message_is_counted_once(registry: CollectorRegistry) -> None:
    """A score that was not written had been claimed by another meanwhile."""
    metrics.observe(
        Outcome(
            scored=1,
            finished=[finished(), finished()],
            answered=[finished()],
            refused=2,
            rejected=[(lease(), "empty")],
            failed=[(lease(), "boom")] * 4,
            returned=[lease()] * 5,
            skipped=6,
        ),
        1.0,
    )
    ends = {
        ended: value(registry, "jobs_total", outcome=ended, model="")
        for ended in ("rejected", "failed", "returned", "elsewhere")
    }
    assert ends == {"rejected": 3, "failed": 4, "returned": 5, "elsewhere": 7}
    assert value(registry, "jobs_total", outcome="scored", model="m/1.0.0") == 1


def test_the_shadow_counts_apart(registry: CollectorRegistry) -> None:
    metrics.observe(Outcome(beside=ShadowOutcome(scored=3, failed=2)), 1.0)
    assert value(registry, "shadow_jobs_total", outcome="scored") == 3
    assert value(registry, "shadow_jobs_total", outcome="failed") == 2
    assert value(registry, "errors_total", kind="shadow") == 2


def test_errors_and_retries_start_at_zero_and_are_counted(registry: CollectorRegistry) -> None:
    assert {value(registry, "errors_total", kind=kind) for kind in ErrorKind} == {0}
    assert value(registry, "retries_total") == 0
    assert metrics.error(ErrorKind.MEMORY) == {"kind": "memory"}
    metrics.retry()
    assert value(registry, "errors_total", kind="memory") == 1
    assert value(registry, "retries_total") == 1


def test_without_a_beginning_nothing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_counts", None)
    metrics.observe(outcome(finished()), 1.0)
    metrics.retry()
    assert metrics.error(ErrorKind.MODEL) == {"kind": "model"}


def child(place: int) -> None:
    """A pool process that counts one message and is killed in its place."""
    pid = os.fork()
    if pid == 0:
        metrics.take_place(place)
        metrics.observe(outcome(finished()), 0.1)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)


def test_what_killed_children_counted_stays_and_their_files_do_not_grow_in_number(
    registry: CollectorRegistry, tmp_path: Path
) -> None:
    metrics.retry()
    for counted in range(1, 6):
        child(place=0)
        assert value(registry, "jobs_total", outcome="scored", model="m/1.0.0") == counted
        assert value(registry, "chunk_seconds_count") == counted
    child(place=1)
    assert value(registry, "chunk_seconds_count") == 6
    assert value(registry, "retries_total") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"{kind}_{place}.db" for kind in ("counter", "histogram") for place in ("parent", 0, 1)
    )
