"""The plain Celery task `cost.py` measures against: score, insert, commit; nothing is promised."""

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


class Held:
    scorer: Scorer
    connection: psycopg.Connection


@worker_process_init.connect
def start(**_: object) -> None:
    Held.scorer = Scorer.load(resolve(Path(os.environ["PLUMBLINE_MODELS_DIR"]), "sms-spam"))
    Held.scorer.warm_up()
    Held.connection = psycopg.connect(os.environ["PLUMBLINE_DATABASE_URL"])


@app.task(name="plain.score")
def score(text: str) -> None:
    found = Held.scorer.score(text)
    with Held.connection.transaction():
        Held.connection.execute(
            "INSERT INTO plain.predictions (text, label, probability, confidence) "
            "VALUES (%s, %s, %s, %s)",
            (text, found.label, found.probability, found.confidence),
        )
