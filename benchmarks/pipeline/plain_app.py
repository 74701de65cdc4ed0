"""The plain Celery task to compare with: score, insert, commit, without any guarantee.

With BENCHMARK_FAKE it scores like `benchmarks.pipeline.fake_app`.
"""

from __future__ import annotations

import os
from pathlib import Path

import psycopg
from celery import Celery
from celery.signals import worker_process_init
from kombu import Queue

from benchmarks.pipeline.servers import PLAIN_QUEUE
from scoring.artifact.registry import resolve
from scoring.scorer import Scorer

app = Celery("plain", broker=os.environ["PLUMBLINE_BROKER_URL"])
app.conf.task_queues = [Queue(PLAIN_QUEUE)]
app.conf.task_ignore_result = True
app.conf.worker_prefetch_multiplier = 4


class ProcessState:
    scorer: Scorer
    connection: psycopg.Connection[tuple[object, ...]]


@worker_process_init.connect
def start(**_: object) -> None:
    load = Scorer.load
    if os.environ.get("BENCHMARK_FAKE"):
        from benchmarks.pipeline.fake_scorer import FakeScorer

        load = FakeScorer.load
    models_dir = Path(os.environ["PLUMBLINE_MODELS_DIR"])
    ProcessState.scorer = load(resolve(models_dir, os.environ["PLUMBLINE_MODEL"]))
    ProcessState.scorer.warm_up()
    ProcessState.connection = psycopg.connect(os.environ["PLUMBLINE_DATABASE_URL"])


@app.task(name="plain.score")
def score(text: str) -> None:
    result = ProcessState.scorer.score(text)
    with ProcessState.connection.transaction():
        ProcessState.connection.execute(
            "INSERT INTO plain.predictions (text, label, probability, confidence) "
            "VALUES (%s, %s, %s, %s)",
            (text, result.label, result.probability, result.confidence),
        )
