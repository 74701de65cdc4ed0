"""Upkeep: what the sweep finds due is published again."""

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
from storage.jobs import ledger
from storage.jobs.outbox import DueJobs
from storage.jobs.sweep import SweepResult, sweep

log = logging.getLogger(__name__)
# While so many messages wait, none was lost that matters: the queue is moving or nobody works.
ENOUGH_WAITING = 1_000
MOST_AT_ONCE = 10_000


def run_sweep(engine: Engine, publisher: Publisher, settings: Settings) -> SweepResult | None:
    """Sweep once, and publish what is due. Returns None where another sweeper was at work."""
    depth = messages_waiting(settings)
    with engine.begin() as connection:
        swept = sweep(
            connection,
            max_attempts=settings.max_attempts,
            republish_after_s=settings.republish_after_s,
            most=0 if depth is None else MOST_AT_ONCE,
            lost=depth is not None and depth < ENOUGH_WAITING,
        )
    if swept is None:
        return None
    unsent = publish(publisher, messages(swept, settings.message_size))
    if unsent:
        with engine.begin() as connection:
            ledger.unpublish(connection, unsent)
    if swept.quarantined or swept.expired:
        log.warning("set aside: %d quarantined, %d expired", swept.quarantined, swept.expired)
    return swept


def messages_waiting(settings: Settings) -> int | None:
    """None where Redis is away or full: then nothing can be published."""
    assert settings.broker_url is not None
    try:
        url = settings.broker_url.get_secret_value()
        check_writable(url)
        return queue_depth(url)
    except BrokerUnavailable as error:
        log.warning("nothing is published: %s", error)
        return None


def messages(due: DueJobs, size: int) -> list[list[uuid.UUID]]:
    """Fresh jobs travel together, suspects alone."""
    fresh = iter(due.fresh)
    together = list(iter(lambda: list(islice(fresh, size)), []))
    return together + [[job] for job in due.suspects]


def publish(publisher: Publisher, batches: Sequence[Sequence[uuid.UUID]]) -> list[uuid.UUID]:
    """Send one message a batch; return the jobs of those that could not be sent."""
    for sent, batch in enumerate(batches):
        try:
            publisher.wake(batch)
        except BrokerUnavailable as error:
            log.warning("%d messages wait for the next sweep: %s", len(batches) - sent, error)
            return [job for unsent in batches[sent:] for job in unsent]
    return []
