"""The Celery app: its settings, its queues, its clock."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from kombu import Exchange, Queue

from plumbline.errors import PlumblineError, ServicesMissing
from plumbline.messages import (
    DRIFT_TASK,
    REPORT_QUEUE,
    SCORE_QUEUE,
    SWEEP_TASK,
    UPKEEP_QUEUE,
)
from plumbline.publisher import broker_config
from plumbline.settings import Settings

# The tokenizer's own threads would not survive the fork; one text a process needs none.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def read_settings() -> Settings:
    """Settings with both URLs, or one sentence and the end: Celery would print a traceback."""
    try:
        settings = Settings.read()
        if settings.database_url is None or settings.broker_url is None:
            raise ServicesMissing(
                "A worker needs PLUMBLINE_DATABASE_URL and PLUMBLINE_BROKER_URL; "
                "`plumbline up` sets both and starts everything."
            )
    except PlumblineError as error:
        raise SystemExit(str(error)) from error
    return settings


def schedule(settings: Settings) -> dict[str, Any]:
    """What beat sends. Each entry expires before its successor, so none pile up unread."""
    return {
        "sweep": {
            "task": SWEEP_TASK,
            "schedule": settings.sweep_every_s,
            "options": {"queue": UPKEEP_QUEUE, "expires": settings.sweep_every_s},
        },
        "drift": {
            "task": DRIFT_TASK,
            "schedule": settings.drift_every_s,
            "options": {"queue": REPORT_QUEUE, "expires": settings.drift_every_s},
        },
    }


def queue(name: str) -> Queue:
    """A queue with an exchange of its own; Celery's default would bind all of them to one key."""
    return Queue(name, Exchange(name, type="direct"), routing_key=name)


def make_app(settings: Settings) -> Celery:
    assert settings.broker_url is not None
    app = Celery("plumbline", include=["worker.tasks", "worker.lifecycle"])
    broker = broker_config(settings.broker_url.get_secret_value())
    broker["broker_transport_options"]["queue_order_strategy"] = "worker.queue_order:UpkeepFirst"
    app.conf.update(
        broker,
        # A worker told nothing takes these two. Reports need a worker of their own
        # (-Q plumbline.reports), so that Evidently is never imported where texts are scored.
        task_queues=[queue(SCORE_QUEUE), queue(UPKEEP_QUEUE)],
        # A message is done when its task returned, and goes back if the process died: the ledger
        # makes the second delivery harmless.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        # Loading a model must not count as a hung start (Celery's default is 4 s).
        worker_proc_alive_timeout=60.0,
        worker_hijack_root_logger=True,
        broker_connection_retry_on_startup=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        beat_schedule=schedule(settings),
    )
    return app


settings = read_settings()
app = make_app(settings)
