"""Writes the rows of messages that the parent rejects, without its event loop ever waiting.

A message that is rejected here never came as far as a child. Its log line is written at once, and
its row by a thread, which waits for PostgreSQL for as long as the worker runs. A child writes its
rows itself, before it acknowledges the message.
"""

from __future__ import annotations

import logging
import queue
import threading
from time import monotonic

from plumbline_client.errors import PlumblineError
from storage import rejected_messages
from storage.database import open_engine
from storage.rejected_messages import RejectedMessage
from worker.broker.refusal import Refusals
from worker.telemetry import metrics

log = logging.getLogger(__name__)
# Rows that wait for PostgreSQL; each takes less than a KiB.
LONGEST_QUEUE = 10_000
BATCH = 500
# How long a worker that ends waits for PostgreSQL.
CLOSE_WITHIN_S = 2.0


class RejectionWriter:
    """`add` never waits and never raises. What waits is written once `start` was called."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[RejectedMessage] = queue.Queue(LONGEST_QUEUE)
        self._stopping = threading.Event()
        self._refusals = Refusals(log, "the rows of rejected messages wait")
        self._thread: threading.Thread | None = None

    def add(self, row: RejectedMessage) -> None:
        """Have the row written. If too many wait, it is only counted: the log has the message."""
        try:
            self._waiting.put_nowait(row)
        except queue.Full:
            count_unrecorded(1)

    def start(self, database_url: str) -> None:
        self._thread = threading.Thread(
            target=self._run, args=(database_url,), name="rejected-messages", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Write what waits, unless PostgreSQL is away."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(CLOSE_WITHIN_S)
        count_unrecorded(self._waiting.qsize())

    def _run(self, database_url: str) -> None:
        while not (self._stopping.is_set() and self._waiting.empty()):
            batch = self._next_batch()
            while batch:
                try:
                    self._write(database_url, batch)
                except PlumblineError as error:
                    if self._stopping.wait(self._refusals.add(str(error))):
                        count_unrecorded(len(batch))
                        break
                except Exception:
                    # Nobody would notice the end of this thread.
                    log.exception("%d rows of rejected messages are not written", len(batch))
                    count_unrecorded(len(batch))
                    break
                else:
                    self._refusals.end()
                    break

    def _next_batch(self) -> list[RejectedMessage]:
        """Wait a moment for the first row; return it with those that wait already."""
        try:
            batch = [self._waiting.get(timeout=0.5)]
        except queue.Empty:
            return []
        ends_at = monotonic() + 0.5
        while len(batch) < BATCH and monotonic() < ends_at:
            try:
                batch.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return batch

    def _write(self, database_url: str, batch: list[RejectedMessage]) -> None:
        # The engine is not kept: it would cross the fork of the next child.
        with open_engine(database_url, pool_size=1) as engine, engine.begin() as connection:
            rejected_messages.add(connection, batch)


def count_unrecorded(rows: int) -> None:
    for _ in range(rows):
        metrics.count_unrecorded_rejection()


# Of the parent. Its rows wait until `worker.lifecycle` starts it.
WRITER = RejectionWriter()
