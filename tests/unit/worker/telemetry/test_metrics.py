import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, values
from prometheus_client.multiprocess import MultiProcessCollector

from storage.jobs.claim import Lease
from storage.jobs.predictions import NewPrediction
from tests.predictions import new_prediction
from worker.processing.outcome import MessageOutcome, ShadowOutcome
from worker.telemetry import metrics
from worker.telemetry.metrics import ErrorKind


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CollectorRegistry]:
    """Count from here on; a scrape of this registry returns the counts."""
    monkeypatch.setenv(metrics.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    monkeypatch.setattr(metrics, "_counting", metrics.Counting())
    metrics.begin_counting(tmp_path)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(tmp_path))
    yield registry


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"plumbline_{name}", labels)


def make_prediction(model: str = "m/1.0.0", **fields: Any) -> NewPrediction:
    defaults = {"tokens": 10, "queue_ms": 40.0, "score_ms": 3.0}
    return new_prediction(model=model, **defaults | fields)


def make_outcome(*predictions: NewPrediction) -> MessageOutcome:
    return MessageOutcome(predictions=list(predictions), written=list(predictions))


def make_lease() -> Lease:
    return Lease(uuid.uuid4(), 1, "text", (), 0.0)


def test_predictions_are_counted_by_version_and_decision(registry: CollectorRegistry) -> None:
    outcome = make_outcome(
        make_prediction(),
        make_prediction(decision="review"),
        make_prediction("m/2.0.0", tokens=5),
    )
    metrics.observe_message(outcome, 0.25)
    assert value(registry, "jobs_total", outcome="scored", model="m/1.0.0") == 2
    assert value(registry, "jobs_total", outcome="scored", model="m/2.0.0") == 1
    assert value(registry, "tokens_total", model="m/1.0.0") == 20
    assert value(registry, "decisions_total", model="m/1.0.0", decision="review") == 1


def test_times_are_in_seconds(registry: CollectorRegistry) -> None:
    outcome = make_outcome(make_prediction(queue_ms=1_500.0, score_ms=7.0))
    metrics.observe_message(outcome, 0.25)
    assert value(registry, "queue_seconds_sum") == 1.5
    assert value(registry, "queue_seconds_bucket", le="1.0") == 0
    assert value(registry, "queue_seconds_bucket", le="2.5") == 1
    assert value(registry, "score_seconds_sum", model="m/1.0.0") == 0.007
    assert value(registry, "chunk_seconds_sum") == 0.25
    assert value(registry, "chunk_seconds_count") == 1


def test_every_text_of_a_message_is_counted_once(registry: CollectorRegistry) -> None:
    """A prediction that was not written counts as elsewhere: another worker claimed its job."""
    outcome = MessageOutcome(
        predictions=[make_prediction(), make_prediction()],
        written=[make_prediction()],
        refused=2,
        rejected=[(make_lease(), "empty")],
        failed=[(make_lease(), "boom")] * 4,
        returned=[make_lease()] * 5,
        skipped=6,
    )
    metrics.observe_message(outcome, 1.0)
    counts = {
        label: value(registry, "jobs_total", outcome=label, model="")
        for label in ("rejected", "failed", "returned", "elsewhere")
    }
    assert counts == {"rejected": 3, "failed": 4, "returned": 5, "elsewhere": 7}
    assert value(registry, "jobs_total", outcome="scored", model="m/1.0.0") == 1


def test_shadow_scores_have_their_own_counter(registry: CollectorRegistry) -> None:
    metrics.observe_message(MessageOutcome(shadow=ShadowOutcome(scored=3, failed=2)), 1.0)
    assert value(registry, "shadow_jobs_total", outcome="scored") == 3
    assert value(registry, "shadow_jobs_total", outcome="failed") == 2
    assert value(registry, "errors_total", kind="shadow") == 2


def test_errors_and_retries_start_at_zero(registry: CollectorRegistry) -> None:
    assert {value(registry, "errors_total", kind=kind) for kind in ErrorKind} == {0}
    assert value(registry, "retries_total") == 0
    assert metrics.count_error(ErrorKind.MEMORY) == {"kind": "memory"}
    metrics.count_retry()
    assert value(registry, "errors_total", kind="memory") == 1
    assert value(registry, "retries_total") == 1


def test_nothing_is_counted_before_counting_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_counting", metrics.Counting())
    metrics.observe_message(make_outcome(make_prediction()), 1.0)
    metrics.count_retry()
    assert metrics.count_error(ErrorKind.MODEL) == {"kind": "model"}


def run_killed_child(pool_index: int) -> None:
    """Run a child that counts one message and is then killed."""
    pid = os.fork()
    if pid == 0:
        metrics.set_pool_index(pool_index)
        metrics.observe_message(make_outcome(make_prediction()), 0.1)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)


def test_counts_of_killed_children_survive_in_a_fixed_number_of_files(
    registry: CollectorRegistry, tmp_path: Path
) -> None:
    metrics.count_retry()
    for messages in range(1, 6):
        run_killed_child(pool_index=0)
        assert value(registry, "jobs_total", outcome="scored", model="m/1.0.0") == messages
        assert value(registry, "chunk_seconds_count") == messages
    run_killed_child(pool_index=1)
    assert value(registry, "chunk_seconds_count") == 6
    assert value(registry, "retries_total") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"{kind}_{writer}.db" for kind in ("counter", "histogram") for writer in ("parent", 0, 1)
    )
