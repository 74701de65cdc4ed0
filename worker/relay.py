"""The relay, a thread of beat: publishes jobs of the outbox as soon as PostgreSQL announces them.

The sweeper publishes them too, every few seconds, so a missing relay only costs that time. Several
relays can run at once.
"""

from __future__ import annotations

import logging
import threading

from sqlalchemy import Engine

from plumbline.broker import check_writable
from plumbline.settings import Settings
from plumbline_client.broker import Publisher
from plumbline_client.errors import BrokerUnavailable, StorageError
from plumbline_client.services import Services
from storage.database import connect, translate_errors
from storage.jobs import announcements, outbox
from storage.jobs.announcements import Listener, Silence
from worker.broker.refusal import LONGEST_PAUSE_S, Refusals
from worker.sweeper import publish, wake_ups_for

log = logging.getLogger(__name__)
BATCH_JOBS = 10_000
# The longest wait for an announcement, after which the thread checks whether to stop.
LISTEN_S = 0.5
# How often to read the outbox without an announcement: a connection pooler can swallow them.
POLL_EVERY_S = 5.0


class Relay:
    """Listens and publishes until it is stopped; it survives outages of both servers."""

    def __init__(self, settings: Settings, services: Services) -> None:
        self._settings = settings
        self._services = services
        self._engine = connect(services.database_url)
        self._publisher = Publisher(services.broker_url)
        self._stopping = threading.Event()
        self._is_behind_pooler = False
        self._polling = Refusals(
            log, f"the relay reads the outbox every {announcements.POLL_EVERY_S:g} s"
        )
        self._listening = Refusals(log, "the relay waits for PostgreSQL")
        self._publishing = Refusals(log, "no wake-ups are published")
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Let the thread publish what it has taken, so that no job waits for the sweeper."""
        self._stopping.set()
        self._thread.join(LONGEST_PAUSE_S)
        self._publisher.close()
        self._engine.dispose()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._stopping.wait(self._relay())
            except Exception:
                # Without this thread jobs are only published later, so nobody would notice its end.
                log.exception("the relay will retry")
                self._stopping.wait(LONGEST_PAUSE_S)

    def _relay(self) -> float:
        """Relay until it stops or a server fails. Return how long to pause, in seconds."""
        try:
            with translate_errors(self._engine), announcements.listen(self._engine) as listener:
                self._log_pooler(listener)
                while self._publish_and_wait(listener):
                    pass
        except BrokerUnavailable as error:
            return self._publishing.add(str(error))
        except StorageError as error:
            return self._listening.add(str(error))
        return 0.0

    def _log_pooler(self, listener: Listener) -> None:
        """Log once that the relay polls as long as it runs."""
        if listener.silence is Silence.POOLER and not self._is_behind_pooler:
            self._is_behind_pooler = True
            log.info(
                "%s, so the relay reads the outbox every %g s",
                Silence.POOLER,
                announcements.POLL_EVERY_S,
            )

    def _log_silence(self, listener: Listener) -> None:
        if listener.silence is None:
            self._polling.end()
        elif listener.silence is not Silence.POOLER:
            self._polling.add(listener.silence)

    def _publish_and_wait(self, listener: Listener) -> bool:
        """Empty the outbox and wait for more. Return False if the relay stops."""
        relay_once(self._engine, self._publisher, self._settings, self._services)
        self._listening.end()
        self._publishing.end()
        for _ in range(round(POLL_EVERY_S / LISTEN_S)):
            if self._stopping.is_set():
                return False
            if listener.wait(LISTEN_S):
                if listener.silence is None:
                    return True
                break
        listener.check()
        self._log_silence(listener)
        return True


def relay_once(
    engine: Engine, publisher: Publisher, settings: Settings, services: Services
) -> None:
    """Empty the outbox.

    Raises BrokerUnavailable if Redis did not accept all messages; their jobs are then in the outbox
    again.
    """
    while True:
        # Before taking jobs: while Redis is unavailable, taking them and putting them back would
        # rewrite the same rows for hours.
        check_writable(services.broker_url)
        with engine.begin() as connection:
            due = outbox.take_due_jobs(
                connection, max_attempts=settings.max_attempts, limit=BATCH_JOBS
            )
        unsent = publish(publisher, wake_ups_for(due, settings.message_size))
        if unsent:
            with engine.begin() as connection:
                outbox.unpublish(connection, unsent)
            raise BrokerUnavailable(f"Redis did not accept the wake-ups of {len(unsent)} texts.")
        if len(due.jobs) < BATCH_JOBS:
            return
