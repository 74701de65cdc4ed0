"""The sweeper: ends overdue jobs, and publishes jobs whose wake-up or worker was lost."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from itertools import islice

from sqlalchemy import Engine

from plumbline.broker import check_writable, queue_depth
from plumbline.settings import Settings
from plumbline_client.broker import Publisher
from plumbline_client.errors import BrokerUnavailable
from plumbline_client.services import Services
from storage.jobs import outbox
from storage.jobs.outbox import DueJobs
from storage.jobs.sweep import SweepResult, sweep
from worker.broker.refusal import Refusals

log = logging.getLogger(__name__)
# Of all sweeps of this process, since each would log the same.
_publishing = Refusals(log, "no wake-ups are published")
# With this many messages in Redis, lost wake-ups do not matter: the workers are busy, or none is
# running.
DEEP_QUEUE = 1_000
BATCH_JOBS = 10_000


def run_sweep(
    engine: Engine, publisher: Publisher, settings: Settings, services: Services
) -> SweepResult | None:
    """Sweep once and publish the due jobs. Returns None if another sweeper is running."""
    depth = queue_depth_if_writable(services)
    with engine.begin() as connection:
        swept = sweep(
            connection,
            max_attempts=settings.max_attempts,
            republish_after_s=settings.republish_after_s,
            limit=0 if depth is None else BATCH_JOBS,
            republish_lost=depth is not None and depth < DEEP_QUEUE,
        )
    if swept is None:
        return None
    unsent = publish(publisher, group_into_messages(swept, settings.message_size))
    if unsent:
        with engine.begin() as connection:
            outbox.unpublish(connection, unsent)
    if swept.quarantined or swept.expired:
        log.warning("jobs ended: %d quarantined, %d expired", swept.quarantined, swept.expired)
    return swept


def queue_depth_if_writable(services: Services) -> int | None:
    """Return the number of messages in Redis; None if Redis is unavailable or full."""
    try:
        check_writable(services.broker_url)
        depth = queue_depth(services.broker_url)
    except BrokerUnavailable as error:
        _publishing.add(str(error))
        return None
    _publishing.end()
    return depth


def group_into_messages(due: DueJobs, size: int) -> list[list[uuid.UUID]]:
    """Group fresh jobs by `size`; each suspect gets a message of its own."""
    fresh = iter(due.fresh)
    together = list(iter(lambda: list(islice(fresh, size)), []))
    return together + [[job] for job in due.suspects]


def publish(publisher: Publisher, messages: Sequence[Sequence[uuid.UUID]]) -> list[uuid.UUID]:
    """Publish the messages in order; return the jobs of those that could not be sent."""
    for sent, message in enumerate(messages):
        try:
            publisher.wake(message)
        except BrokerUnavailable as error:
            log.warning("%d messages wait for the next sweep: %s", len(messages) - sent, error)
            return [job for unsent in messages[sent:] for job in unsent]
    return []
