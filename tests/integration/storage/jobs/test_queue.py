"""The length of the queue on a real PostgreSQL."""

from __future__ import annotations

import pytest

from storage.jobs.queue import QueueLength, queue_length
from tests.ledger import Ledger


def length(ledger: Ledger) -> QueueLength:
    with ledger.engine.connect() as connection:
        return queue_length(connection)


def test_empty_queue_has_no_oldest_job(ledger: Ledger) -> None:
    assert length(ledger) == QueueLength(queued=0, leased=0, oldest_queued_s=None)


def test_length_counts_queued_and_leased_jobs_and_the_age_of_the_oldest_queued(
    ledger: Ledger,
) -> None:
    leased, oldest, _ = ledger.accept_texts(3)
    ledger.claim(leased)
    ledger.change("created_at = now() - interval '2 hours'", leased)
    ledger.change("created_at = now() - interval '1 hour'", oldest)
    queue = length(ledger)
    assert (queue.queued, queue.leased) == (2, 1)
    assert queue.oldest_queued_s == pytest.approx(3_600, abs=60)
