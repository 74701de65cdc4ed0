"""The sweeper: ends overdue jobs, and publishes jobs whose wake-up or worker was lost."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence

from sqlalchemy import Engine

from plumbline.broker import check_writable, queue_depth
from plumbline.settings import Settings
from plumbline_client import wake_ups
from plumbline_client.broker import Publisher
from plumbline_client.errors import BrokerUnavailable, StorageError
from plumbline_client.services import Services
from plumbline_client.wake_ups import WakeUp
from storage.jobs import outbox
from storage.jobs.due import DueJobs
from storage.jobs.sweep import SweepResult, sweep
from storage.sources import listed_sources
from worker.broker.refusal import Refusals
from worker.telemetry import metrics
from worker.telemetry.metrics import ErrorKind, SweepOutcome

log = logging.getLogger(__name__)
# Of all sweeps of this process, since each would log the same.
_publishing = Refusals(log, "no wake-ups are published")
_skipping = Refusals(log, "this sweep is skipped")
# With this many messages in Redis, lost wake-ups do not matter: the workers are busy, or none is
# running.
DEEP_QUEUE = 1_000
BATCH_JOBS = 10_000
# A sweep that has more to do leaves the rest to the next one.
MAX_BATCHES = 20


def run_sweep(
    engine: Engine, publisher: Publisher, settings: Settings, services: Services
) -> SweepResult | None:
    """Sweep and publish the due jobs, in batches. Returns None if another sweeper is running.

    The result is complete if nothing is left for the next sweep, neither here nor in Redis.
    """
    with engine.connect() as connection:
        bound = listed_sources(connection)
    depth = queue_depth_if_writable(services, bound)
    batches: list[SweepResult] = []
    sent = depth is not None
    while len(batches) < MAX_BATCHES and not (batches and batches[-1].complete):
        batch = sweep_batch(engine, settings, depth)
        if batch is None:
            break
        batches.append(batch)
        sent = publish_or_return(engine, publisher, settings, batch) and sent
    if not batches:
        metrics.count_sweep(SweepOutcome.LOCKED)
        _skipping.add("another transaction holds the row sweep of plumbline.locks")
        return None
    _skipping.end()
    outcome = SweepOutcome.COMPLETED if batches[-1].complete else SweepOutcome.UNFINISHED
    metrics.count_sweep(outcome if sent else SweepOutcome.BROKER)
    swept = SweepResult(
        [job for batch in batches for job in batch.jobs],
        sum(batch.expired for batch in batches),
        sum(batch.quarantined for batch in batches),
        complete=sent and batches[-1].complete,
    )
    if swept.quarantined or swept.expired:
        log.warning("jobs ended: %d quarantined, %d expired", swept.quarantined, swept.expired)
    return swept


def skip_sweep(error: StorageError) -> None:
    """Count and log a sweep that PostgreSQL refused."""
    metrics.count_sweep(SweepOutcome.DATABASE)
    _skipping.add(str(error), extra=metrics.count_error(ErrorKind.DATABASE))


def sweep_batch(engine: Engine, settings: Settings, depth: int | None) -> SweepResult | None:
    with engine.begin() as connection:
        return sweep(
            connection,
            max_attempts=settings.max_attempts,
            republish_after_s=settings.republish_after_s,
            limit=0 if depth is None else BATCH_JOBS,
            republish_lost=depth is not None and depth < DEEP_QUEUE,
        )


def publish_or_return(
    engine: Engine, publisher: Publisher, settings: Settings, due: DueJobs
) -> bool:
    """Publish due jobs; return whether Redis accepted all of them. The others are due again."""
    unsent = publish(publisher, wake_ups_for(due, settings.message_size))
    if unsent:
        with engine.begin() as connection:
            outbox.unpublish(connection, unsent)
    return not unsent


def queue_depth_if_writable(services: Services, bound: Sequence[str] = ()) -> int | None:
    """Return the number of messages in Redis; None if Redis is unavailable or full.

    `bound` are the sources with lists of their own.
    """
    try:
        check_writable(services.broker_url)
        depth = queue_depth(services.broker_url, bound=bound)
    except BrokerUnavailable as error:
        _publishing.add(str(error))
        return None
    _publishing.end()
    return depth


def wake_ups_for(due: DueJobs, size: int) -> list[WakeUp]:
    """Return the messages for due jobs: fresh ones together, suspects one by one and at last.

    A suspect whose only fault is its lost worker waits as long as a fresh text.
    """
    fresh = [job for job in due.jobs if not job.attempts]
    interrupted = [job for job in due.jobs if job.attempts and not job.blamed]
    blamed = [job for job in due.jobs if job.blamed]
    return wake_ups.group(fresh, size) + wake_ups.alone(interrupted) + wake_ups.suspects(blamed)


def publish(publisher: Publisher, messages: Sequence[WakeUp]) -> list[uuid.UUID]:
    """Publish the messages in order; return the jobs of those that could not be sent."""
    unsent = publisher.wake_all(messages)
    if unsent.ids:
        log.warning("%d texts wait for the next sweep: %s", len(unsent.ids), unsent.reason)
    return unsent.ids
