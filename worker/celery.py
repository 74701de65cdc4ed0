"""The Celery app: configuration, queues and the beat schedule."""

from __future__ import annotations

import logging
import os
from typing import Any

from celery import Celery
from celery.bin import beat as beat_command
from celery.bin import worker as worker_command
from celery.exceptions import Reject
from kombu import Exchange, Queue
from kombu.transport import TRANSPORT_ALIASES

from plumbline import celery_environment
from plumbline.celery_config import broker_config
from plumbline.queues import (
    ALERTS_TASK,
    DRIFT_TASK,
    PURGE_TASK,
    QUALITY_TASK,
    REPORT_QUEUE,
    SCORING_QUEUES,
    SWEEP_TASK,
    UPKEEP_QUEUE,
)
from plumbline.services import Services, connected
from plumbline.settings import Settings
from plumbline.system_errors import describe, is_known
from plumbline_client.database_url import DatabaseUrl
from plumbline_client.errors import PlumblineError, ServicesMissing
from plumbline_client.visible import one_line
from worker.pool.memory_limit import MIB, largest_message_mb, recycle_kib

# The app would read them. The plug-in of the `celery` command does the same for the options, which
# are parsed before this module is imported.
celery_environment.clean(os.environ)
# The tokenizer's own threads would not survive the fork, and a process that scores one text at a
# time needs none.
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# Registered under the URL schemes, so that logs show the configured URL.
TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), "worker.broker.transport:Transport"))
# Old rows are deleted in parts, one per run.
PURGE_EVERY_S = 3_600.0


def read_configuration() -> tuple[Settings, Services]:
    """Read the settings, which must contain both URLs in a valid form; else exit with one sentence.

    Celery would print a traceback for any other exception.
    """
    try:
        settings = Settings.read()
        if settings.database_url is None or settings.broker_url is None:
            raise ServicesMissing(
                "A worker needs PLUMBLINE_DATABASE_URL and PLUMBLINE_BROKER_URL; "
                "`plumbline up` sets both and starts everything."
            )
        DatabaseUrl.parse(settings.database_url.get_secret_value())
        return settings, connected(settings)
    except PlumblineError as error:
        raise SystemExit(one_line(str(error))) from error
    except Exception as error:
        if not is_known(error):
            raise
        raise SystemExit(describe(error)) from error


def beat_schedule(settings: Settings) -> dict[str, Any]:
    """Return what beat sends; `worker.beat` reads it."""
    purge = {
        "task": PURGE_TASK,
        "schedule": PURGE_EVERY_S,
        "options": {"queue": REPORT_QUEUE},
    }
    return {
        "sweep": {
            "task": SWEEP_TASK,
            "schedule": settings.sweep_every_s,
            "options": {"queue": UPKEEP_QUEUE},
        },
        "drift": {
            "task": DRIFT_TASK,
            "schedule": settings.drift_every_s,
            "kwargs": {"by_source": True},
            "options": {"queue": REPORT_QUEUE},
        },
        "quality": {
            "task": QUALITY_TASK,
            "schedule": settings.quality_every_s,
            "options": {"queue": REPORT_QUEUE},
        },
        # In the report queue, so that a slow webhook delays no scoring.
        "alerts": {
            "task": ALERTS_TASK,
            "schedule": settings.alert_every_s,
            "options": {"queue": REPORT_QUEUE},
        },
    } | ({"purge": purge} if settings.keep_texts_s or settings.keep_rows_s else {})


def queue(name: str) -> Queue:
    """Return a queue with its own exchange; Celery's default would bind all queues to one key."""
    return Queue(name, Exchange(name, type="direct"), routing_key=name)


def make_app(settings: Settings, services: Services) -> Celery:
    app = Celery(
        "plumbline",
        include=["worker.tasks", "worker.lifecycle"],
        # Both defaults come from the environment.
        loader="worker.loader:Loader",
        fixups=(),
        task_cls="worker.broker.message_task:MessageTask",
    )
    broker = broker_config(services.broker_url)
    options = broker["broker_transport_options"]
    options["max_message_bytes"] = MIB * largest_message_mb(
        settings.max_message_mb, settings.child_memory_mb
    )
    app.conf.update(
        broker,
        # A worker without -Q consumes these, in the order of `worker.broker.lanes`. Reports need a
        # worker of their own (-Q plumbline.reports), so that Evidently is never imported in a
        # process that scores texts.
        task_queues=[queue(name) for name in (UPKEEP_QUEUE, *SCORING_QUEUES)],
        # A message is acknowledged when its task returns, and is delivered again if the process
        # dies: the ledger makes the second delivery harmless.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        # Takes no orders and sends no events, whatever the options.
        worker_consumer="worker.broker.consumer:Consumer",
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_max_memory_per_child=recycle_kib(settings.child_memory_mb),
        # Loading a model must not count as a hung start (Celery's default is 4 s).
        worker_proc_alive_timeout=60.0,
        worker_hijack_root_logger=True,
        broker_connection_retry_on_startup=True,
        # Celery would give up after a hundred attempts; a worker waits for Redis without limit.
        broker_connection_max_retries=None,
        # Celery would end the worker at an error that Redis answers with; see worker.broker.
        broker_channel_error_retry=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        beat_schedule=beat_schedule(settings),
        beat_scheduler="worker.beat:Scheduler",
    )
    return app


def is_not_put_back(record: logging.LogRecord) -> bool:
    """Return whether a record is not Celery's own, with a traceback, about a message put back.

    `worker.broker.retry` has logged why.
    """
    return not (record.exc_info and isinstance(record.exc_info[1], Reject))


def quiet_celery_loggers(settings: Settings) -> None:
    """Suppress Celery's two lines per message, which cost as much CPU time as the claim.

    `worker.tasks` logs one line per message. PLUMBLINE_LOG_LEVEL=DEBUG restores Celery's lines.
    """
    if settings.log_level.upper() != "DEBUG":
        for name in ("celery.worker.strategy", "celery.app.trace"):
            logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("celery.app.trace").addFilter(is_not_put_back)


def set_default_log_level(settings: Settings) -> None:
    """Let the setting be the default of `--loglevel`, which is WARNING in Celery."""
    for command in (worker_command.worker, beat_command.beat):
        for parameter in command.params:
            if parameter.name == "loglevel":
                parameter.default = settings.log_level.upper()


settings, services = read_configuration()
quiet_celery_loggers(settings)
set_default_log_level(settings)
app = make_app(settings, services)
