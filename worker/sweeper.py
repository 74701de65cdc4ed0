"""Upkeep: what the sweep finds due is published again."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from itertools import islice

from sqlalchemy import Engine

from plumbline.errors import BrokerUnavailable
from plumbline.publisher import Publisher, queue_depth
from plumbline.settings import Settings
from storage import ledger
from storage.sweep import Swept, sweep

log = logging.getLogger(__name__)
# While so many messages wait, none was lost that matters: the queue is moving or nobody works.
ENOUGH_WAITING = 1_000
MOST_AT_ONCE = 10_000


def run_sweep(engine: Engine, publisher: Publisher, settings: Settings) -> Swept | None:
    """Sweep once, and publish what is due. Returns None where another sweeper was at work."""
    with engine.begin() as connection:
        swept = sweep(
            connection,
            max_attempts=settings.max_attempts,
            republish_after_s=settings.republish_after_s,
            most=room_in_queue(settings),
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


def room_in_queue(settings: Settings) -> int:
    """How many jobs may be published again; none while plenty wait or Redis is away."""
    assert settings.broker_url is not None
    try:
        waiting = queue_depth(settings.broker_url.get_secret_value())
    except BrokerUnavailable as error:
        log.warning("nothing is published: %s", error)
        return 0
    return MOST_AT_ONCE if waiting < ENOUGH_WAITING else 0


def messages(swept: Swept, size: int) -> list[list[uuid.UUID]]:
    """Fresh jobs travel together, suspects alone."""
    fresh = iter(swept.fresh)
    together = list(iter(lambda: list(islice(fresh, size)), []))
    return together + [[job] for job in swept.suspects]


def publish(publisher: Publisher, batches: Sequence[Sequence[uuid.UUID]]) -> list[uuid.UUID]:
    """Send one message a batch; return the jobs of those that could not be sent."""
    for sent, batch in enumerate(batches):
        try:
            publisher.wake(batch)
        except BrokerUnavailable as error:
            log.warning("%d messages wait for the next sweep: %s", len(batches) - sent, error)
            return [job for unsent in batches[sent:] for job in unsent]
    return []
