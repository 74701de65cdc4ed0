"""The Celery app: its settings, its queues, its clock."""

from __future__ import annotations

import logging
import os
from typing import Any

from celery import Celery
from kombu import Exchange, Queue
from kombu.transport import TRANSPORT_ALIASES

from plumbline.celery_config import broker_config
from plumbline.queues import (
    ALERTS_TASK,
    BULK_QUEUE,
    DRIFT_TASK,
    QUALITY_TASK,
    REPORT_QUEUE,
    SCORE_QUEUE,
    SWEEP_TASK,
    UPKEEP_QUEUE,
)
from plumbline.settings import Settings
from plumbline_client.errors import PlumblineError, ServicesMissing
from worker.pool.memory_limit import recycle_kib

# The tokenizer's own threads would not survive the fork; one text a process needs none.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Under the names of URLs, so that logs go on showing these.
TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), "worker.broker.transport:Transport"))


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
            "kwargs": {"by_source": True},
            "options": {"queue": REPORT_QUEUE, "expires": settings.drift_every_s},
        },
        "quality": {
            "task": QUALITY_TASK,
            "schedule": settings.quality_every_s,
            "options": {"queue": REPORT_QUEUE, "expires": settings.quality_every_s},
        },
        # With the reports, so that a webhook that is slow delays no text.
        "alerts": {
            "task": ALERTS_TASK,
            "schedule": settings.alert_every_s,
            "options": {"queue": REPORT_QUEUE, "expires": settings.alert_every_s},
        },
    }


def queue(name: str) -> Queue:
    """A queue with an exchange of its own; Celery's default would bind all of them to one key."""
    return Queue(name, Exchange(name, type="direct"), routing_key=name)


def make_app(settings: Settings) -> Celery:
    assert settings.broker_url is not None
    app = Celery(
        "plumbline",
        include=["worker.tasks", "worker.lifecycle", "worker.relay"],
    )
    broker = broker_config(settings.broker_url.get_secret_value())
    broker["broker_transport_options"]["queue_order_strategy"] = (
        "worker.broker.queue_order:StrictOrder"
    )
    app.conf.update(
        broker,
        # A worker told nothing takes these, in the order of `worker.broker.queue_order`. Reports need a
        # worker of their own (-Q plumbline.reports), so that Evidently is never imported where
        # texts are scored.
        task_queues=[queue(UPKEEP_QUEUE), queue(SCORE_QUEUE), queue(BULK_QUEUE)],
        # A message is done when its task returned, and goes back if the process died: the ledger
        # makes the second delivery harmless.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_consumer="worker.broker.consumer:Consumer",
        worker_max_memory_per_child=recycle_kib(settings.child_memory_mb),
        # Loading a model must not count as a hung start (Celery's default is 4 s).
        worker_proc_alive_timeout=60.0,
        worker_hijack_root_logger=True,
        broker_connection_retry_on_startup=True,
        # However long Redis is away. Celery would give up after a hundred tries.
        broker_connection_max_retries=None,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        beat_schedule=schedule(settings),
    )
    return app


def quiet_celery_loggers(settings: Settings) -> None:
    """Have one line a message, which is ours; Celery's two more cost as much as the claim.

    PLUMBLINE_LOG_LEVEL=DEBUG brings them back.
    """
    if settings.log_level.upper() != "DEBUG":
        for name in ("celery.worker.strategy", "celery.app.trace"):
            logging.getLogger(name).setLevel(logging.WARNING)


settings = read_settings()
quiet_celery_loggers(settings)
app = make_app(settings)
