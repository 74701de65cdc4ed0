"""Retention by the settings: a bounded part of it at a time, so that no report waits for long."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

from sqlalchemy import Engine

from plumbline.settings import Settings
from storage import rejected_messages
from storage.database import absolute_time
from storage.jobs.retention import purge_predictions, purge_texts

log = logging.getLogger(__name__)
# The next run deletes the rest.
LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Purged:
    """What was deleted; it is not `complete` if there is more."""

    texts: int = 0
    predictions: int = 0
    complete: bool = True


def run_purge(
    engine: Engine,
    settings: Settings,
    limit_s: float = LIMIT_S,
    clock: Callable[[], float] = monotonic,
) -> Purged:
    """Delete what is older than the settings keep, for about `limit_s`, by PostgreSQL's clock."""
    ends_at = clock() + limit_s
    texts = predictions = 0
    kept_s = text_age_s(settings)
    if kept_s:
        with engine.begin() as connection:
            before = absolute_time(connection, timedelta(seconds=kept_s))
            rejected_messages.purge(connection, before)
        texts, complete = _sum_until(purge_texts(engine, before), ends_at, clock)
    else:
        complete = True
    if complete and settings.keep_rows_s:
        with engine.connect() as connection:
            before = absolute_time(connection, timedelta(seconds=settings.keep_rows_s))
        predictions, complete = _sum_until(purge_predictions(engine, before), ends_at, clock)
    if texts or predictions:
        log.info("retention: %d texts and %d predictions deleted", texts, predictions)
    return Purged(texts, predictions, complete)


def text_age_s(settings: Settings) -> float:
    """Return the age at which a text is deleted: with the rows at the latest; 0 if never."""
    return min((age for age in (settings.keep_texts_s, settings.keep_rows_s) if age), default=0.0)


def _sum_until(
    counts: Iterator[int], ends_at: float, clock: Callable[[], float]
) -> tuple[int, bool]:
    """Return the sum of the counts before `ends_at`, and whether these are all."""
    total = 0
    for count in counts:
        total += count
        if clock() >= ends_at:
            return total, False
    return total, True
