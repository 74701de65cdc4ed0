"""The sources whose own lists a worker reads, as PostgreSQL has them.

A thread of the parent reads them every few seconds, so that the event loop never waits for
PostgreSQL. What a message may bring is decided later, in `worker.processing.message_source`.
"""

from __future__ import annotations

import logging
import threading

from plumbline_client.errors import StorageError
from plumbline_client.queues import has_list
from storage.database import open_engine
from storage.sources import listed_sources
from worker.broker.refusal import Refusals

log = logging.getLogger(__name__)
REFRESH_EVERY_S = 3.0


class SourceBindings:
    """A snapshot of the bound sources. While PostgreSQL is away, the last one stays valid."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._sources: tuple[str, ...] = ()
        self._stopping = threading.Event()
        self._refusals = Refusals(log, "the lists of sources that were bound since are not read")
        self._thread: threading.Thread | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources, sorted. Never waits."""
        return self._sources

    def refresh(self) -> None:
        """Read the snapshot now. Raises StorageError."""
        # The engine is not kept: it would cross the fork of the next child.
        with open_engine(self._database_url, pool_size=1) as engine, engine.connect() as connection:
            self._sources = tuple(filter(has_list, listed_sources(connection)))

    def start(self) -> None:
        """Refresh until the process ends or `stop`. A second call does nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="source bindings", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.wait(REFRESH_EVERY_S):
            try:
                self.refresh()
            except StorageError as error:
                self._refusals.add(str(error))
            except Exception:
                # Nobody would notice the end of this thread before a message waits in vain.
                log.exception("the bound sources are read again later")
            else:
                self._refusals.end()


_current: SourceBindings | None = None


def read_bindings(database_url: str) -> None:
    """Read the bound sources for the first time, before the fork. Raises StorageError."""
    global _current
    _current = SourceBindings(database_url)
    _current.refresh()


def follow_bindings() -> None:
    """Follow their changes from now on, in a thread."""
    if _current is not None:
        _current.start()


def bound_sources() -> tuple[str, ...]:
    """Return the sources whose own lists are to be read; none before `read_bindings`."""
    return () if _current is None else _current.sources
