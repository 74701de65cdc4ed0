"""The plain Celery task of `cost.py`: score, insert, commit, without any guarantee."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg
from celery import Celery
from celery.signals import worker_process_init
from kombu import Queue

from scoring.artifact.registry import resolve
from scoring.scorer import Scorer

app = Celery("plain", broker=os.environ["PLUMBLINE_BROKER_URL"])
app.conf.task_queues = [Queue("plain.score")]
app.conf.task_ignore_result = True
app.conf.worker_prefetch_multiplier = 4


class ProcessState:
    scorer: Scorer
    connection: psycopg.Connection


@worker_process_init.connect
def start(**_: object) -> None:
    models_dir = Path(os.environ["PLUMBLINE_MODELS_DIR"])
    ProcessState.scorer = Scorer.load(resolve(models_dir, "sms-spam"))
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
