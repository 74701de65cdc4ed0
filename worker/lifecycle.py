"""What happens when a worker starts and stops. It takes no work before its model is verified."""

from __future__ import annotations

import logging
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

from plumbline.broker import ping
from plumbline.queues import BULK_QUEUE, SCORE_QUEUE
from plumbline.settings import LogFormat, Settings
from plumbline_client.errors import PlumblineError, StorageError
from scoring.artifact.artifact import Artifact
from scoring.artifact.gates import failed_gates
from scoring.artifact.registry import resolve
from scoring.errors import ScoringError
from storage import migrate
from storage.database import connect, translate_errors
from storage.serving import deployments
from worker.celery import app, settings
from worker.pool.forced_exit import exit_after_grace
from worker.pool.memory_limit import limit_memory
from worker.pool.process import DRAIN, IN_FLIGHT, current_process, start_process
from worker.telemetry.exporter import Exporter
from worker.telemetry.heartbeat import start_beat_heartbeat
from worker.telemetry.logs import configure_logging
from worker.telemetry.metrics import take_place

log = logging.getLogger(__name__)
# Set in the parent before it forks: only workers of the scoring queue hold a model.
scores_texts = True
serves = ""
# What the log is to say once it is set up.
doubts: list[str] = []
EXPORTER = Exporter(settings, IN_FLIGHT)


def preflight(settings: Settings) -> tuple[Artifact, list[str]]:
    """Check Redis, the tables and every hash of the model.

    Returns the version that will serve, and what speaks against it.

    Raises the first thing that is wrong, as a PlumblineError, StorageError or ScoringError.
    """
    assert settings.database_url is not None and settings.broker_url is not None
    ping(settings.broker_url.get_secret_value())
    engine = connect(settings.database_url.get_secret_value())
    try:
        with translate_errors(engine):
            migrate.check(engine)
            with engine.begin() as connection:
                live = deployments.live_model(connection)
                artifact = Artifact.load(resolve(settings.models_dir, live or settings.model))
                first = deployments.promote_first(
                    connection,
                    artifact.name,
                    manifest_sha256=artifact.manifest.sha256,
                    metrics=artifact.manifest.metrics,
                    labels=artifact.config.labels,
                )
    finally:
        engine.dispose()
    # The first version serves as it is, since without it none would; nobody promoted it.
    return artifact, failed_gates(artifact.manifest) if first else []


@after_setup_logger.connect
@after_setup_task_logger.connect
def on_setup_logger(logger: logging.Logger, **_: Any) -> None:
    """Celery has set up the handlers as its own options say; we add to them what is ours."""
    configure_logging(
        [*logger.handlers, *get_multiprocessing_logger().handlers], settings.log_format
    )


@celeryd_init.connect
def hide_banner(instance: Any, **_: Any) -> None:
    """It is no line of the log, and programs read that."""
    if settings.log_format is LogFormat.JSON:
        instance.quiet = True


@worker_init.connect
def check_before_start(**_: Any) -> None:
    global scores_texts, serves, doubts
    scores_texts = not {SCORE_QUEUE, BULK_QUEUE}.isdisjoint(app.amqp.queues.consume_from)
    try:
        artifact, doubts = preflight(settings)
    # Celery logs an Exception raised here and starts all the same; SystemExit it lets through.
    except (PlumblineError, StorageError, ScoringError) as error:
        raise SystemExit(f"The worker does not start: {error}") from error
    except Exception as error:
        log.exception("what went wrong is none of the known errors")
        raise SystemExit(f"The worker does not start: {error!r}") from error
    EXPORTER.prepare()
    serves = artifact.name


@celeryd_after_setup.connect
def log_startup(**_: Any) -> None:
    """Celery has set up the log only now."""
    log.info("serving %s", serves)
    for doubt in doubts:
        log.warning("%s serves as the first, in spite of its gates: %s", serves, doubt)
    for name, value in settings.masked().items():
        log.info("setting %s = %s", name, value)


@worker_process_init.connect
def start_child(**_: Any) -> None:
    # A pool of one process, as in `-P solo`, has no places.
    place = current_process_index(base=0) or 0
    EXPORTER.leave()
    take_place(place)
    process = start_process(settings, place)
    if scores_texts:
        limit_memory(settings.child_memory_mb)
        process.load_model()
    # From here on the parent counts it among those that are ready.
    process.guards.slot.take()


@worker_ready.connect
def serve_metrics(**_: Any) -> None:
    EXPORTER.start()


@worker_process_shutdown.connect
def stop_child(**_: Any) -> None:
    current_process().stop()


@worker_shutting_down.connect
def drain(**_: Any) -> None:
    DRAIN.begin()
    exit_after_grace(IN_FLIGHT.pids().values())


@beat_init.connect
def start_beat(**_: Any) -> None:
    start_beat_heartbeat()
