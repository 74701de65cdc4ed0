"""Start and stop of a worker and of beat. A worker accepts no work before its model is verified."""

from __future__ import annotations

import atexit
import gc
import logging
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from celery.signals import (
    after_setup_logger,
    after_setup_task_logger,
    beat_init,
    celeryd_after_setup,
    celeryd_init,
    worker_init,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutting_down,
)
from celery.utils.log import current_process_index, get_multiprocessing_logger

from plumbline import celery_environment
from plumbline.broker import wait_until_usable
from plumbline.queues import BULK_QUEUE, SCORING_QUEUES, SUSPECT_QUEUE
from plumbline.registered_trust import registered_trust
from plumbline.services import Services
from plumbline.settings import LogFormat, Settings
from plumbline.shipped import resolve_model
from plumbline.system_errors import describe, is_known
from plumbline.version_record import version_record
from plumbline_client.errors import PlumblineError
from plumbline_client.visible import one_line
from scoring.artifact.artifact import Artifact
from scoring.artifact.gates import failed_gates
from scoring.artifact.registry import model_name
from scoring.runtime.cores import usable_cores
from scoring.runtime.options import RuntimeOptions
from scoring.scorer import Scorer
from storage import schema_version
from storage.database import connect, translate_errors
from storage.patience import call_when_ready
from storage.prerequisites import check_use
from storage.serving import deployments
from worker.broker.address import check_broker
from worker.broker.rejected_messages import WRITER
from worker.broker.source_bindings import follow_bindings, read_bindings
from worker.celery import app, queue, services, settings
from worker.pool.forced_exit import schedule_forced_exit
from worker.pool.memory_limit import check_limit, limit_memory
from worker.pool.node import release_free_memory, shared_weights
from worker.pool.process import (
    DRAIN,
    IN_FLIGHT,
    START_COST,
    current_process,
    load_scorer,
    start_process,
)
from worker.relay import Relay
from worker.telemetry import last_words, metrics
from worker.telemetry.exporter import Exporter
from worker.telemetry.heartbeat import start_beat_heartbeat
from worker.telemetry.logs import configure_logging

log = logging.getLogger(__name__)


@dataclass
class Startup:
    """What the parent finds out before the fork. Only a worker that scores texts loads a model.

    `failed_gates` are logged once logging is set up.
    """

    scores_texts: bool = True
    live_model: str = ""
    failed_gates: list[str] = field(default_factory=list)


STARTUP = Startup()
EXPORTER = Exporter(settings, services, IN_FLIGHT)


def preflight(settings: Settings, services: Services) -> tuple[Artifact, list[str]]:
    """Check Redis, the database schema and every hash of the model.

    Returns the live version. If it becomes live by this call, also returns the gates that it did
    not pass. Raises the first failed check as a PlumblineError.
    """
    wait_until_usable(services.broker_url, log_wait)
    return call_when_ready(lambda: check_database(settings, services), log_wait)


def log_wait(why: str) -> None:
    log.warning("the worker waits: %s", why)


def check_database(settings: Settings, services: Services) -> tuple[Artifact, list[str]]:
    engine = connect(services.database_url)
    try:
        with translate_errors(engine):
            schema_version.check(engine)
            with engine.begin() as connection:
                check_use(connection)
                live = deployments.live_model(connection)
                folder = resolve_model(settings.models_dir, live or settings.model)
                trust = registered_trust(connection, settings, model_name(folder))
                artifact = Artifact.load(folder, trust)
                first = deployments.promote_first(connection, version_record(artifact))
    finally:
        engine.dispose()
    # The first version serves even if its gates failed: without it no version would.
    return artifact, failed_gates(artifact.manifest) if first else []


@after_setup_logger.connect
@after_setup_task_logger.connect
def on_setup_logger(logger: logging.Logger, **_: Any) -> None:
    """Add redaction and the log format to the handlers that Celery set up from its own options."""
    last_words.install()
    configure_logging(
        [*logger.handlers, *get_multiprocessing_logger().handlers], settings.log_format
    )


@celeryd_init.connect
def hide_banner(instance: Any, **_: Any) -> None:
    """Omit Celery's banner if the output is JSON, since programs read it line by line."""
    if settings.log_format is LogFormat.JSON:
        instance.quiet = True


@worker_init.connect
def check_before_start(**_: Any) -> None:
    read_suspects()
    STARTUP.scores_texts = not set(SCORING_QUEUES).isdisjoint(app.amqp.queues.consume_from)
    try:
        check_broker(app, services.broker_url)
        artifact, STARTUP.failed_gates = preflight(settings, services)
        if STARTUP.scores_texts:
            # Once, and not in each child.
            shared_weights(settings.weights_folder, artifact)
            check_limit(settings.child_memory_mb, artifact, load_on_all_cores)
        read_bindings(services.database_url)
        EXPORTER.prepare()
    # Celery logs an Exception raised here and starts anyway; SystemExit ends the worker.
    except Exception as error:
        raise SystemExit(f"The worker does not start: {sentence_of(error)}") from error
    STARTUP.live_model = artifact.name
    del artifact
    release_free_memory()
    # The collector would write to what a child shares with its parent.
    gc.freeze()


def load_on_all_cores(folder: Path) -> Scorer:
    """Load the model as a child may use it, with weights of its own and all cores."""
    return load_scorer(folder, options=RuntimeOptions(free_cores=usable_cores))


def read_suspects() -> None:
    """Let each worker of bulk messages read the suspects as well, whatever its option -Q names.

    It may come from an earlier release, which sent suspects through the other queues.
    """
    consumed = app.amqp.queues.consume_from
    if BULK_QUEUE in consumed and SUSPECT_QUEUE not in consumed:
        app.amqp.queues.select_add(queue(SUSPECT_QUEUE))


def sentence_of(error: Exception) -> str:
    """Return the sentence with which the process ends; log the traceback of a defect."""
    if isinstance(error, PlumblineError):
        return one_line(str(error))
    if not is_known(error):
        log.exception("unexpected error during start-up")
    return describe(error)


def log_ignored_variables() -> None:
    """Log names only: the variables of another program may contain its passwords."""
    if names := celery_environment.ignored():
        log.warning("ignored variables of the environment: %s", ", ".join(names))


@celeryd_after_setup.connect
def log_startup(**_: Any) -> None:
    """Log the live version and the settings, which is possible only now."""
    log_ignored_variables()
    log.info("serving %s", STARTUP.live_model)
    for reason in STARTUP.failed_gates:
        log.warning("%s serves although it did not pass its gates: %s", STARTUP.live_model, reason)
    for name, value in settings.masked().items():
        log.info("setting %s = %s", name, value)


@worker_process_init.connect
def start_child(**_: Any) -> None:
    started = monotonic()
    # A pool of one process, as in `-P solo`, has no indexes.
    pool_index = current_process_index(base=0) or 0
    EXPORTER.close_in_child()
    metrics.set_pool_index(pool_index)
    process = start_process(settings, services, pool_index)
    if STARTUP.scores_texts:
        limit_memory(settings.child_memory_mb)
        process.load_models()
        release_free_memory()
    # From here on, heartbeats report the worker as able to score.
    process.guards.in_flight.claim()
    START_COST.seconds = monotonic() - started


@worker_ready.connect
def start_threads(**_: Any) -> None:
    EXPORTER.start()
    follow_bindings()
    WRITER.start(services.database_url)
    atexit.register(WRITER.close)


@worker_process_shutdown.connect
def stop_child(**_: Any) -> None:
    current_process().stop()


@worker_shutting_down.connect
def drain(**_: Any) -> None:
    DRAIN.begin()
    schedule_forced_exit(IN_FLIGHT.pids().values())


@beat_init.connect
def start_beat(**_: Any) -> None:
    try:
        check_broker(app, services.broker_url)
        log_ignored_variables()
        start_beat_heartbeat()
        relay = Relay(settings, services)
        relay.start()
    # Celery logs an Exception raised here and continues, as beat without a relay would.
    except Exception as error:
        raise SystemExit(f"Beat does not start: {sentence_of(error)}") from error
    atexit.register(relay.stop)
