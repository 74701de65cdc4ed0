"""The relay, a thread of beat: what enters the ledger without a wake-up is published at once.

The sweeper does the same every few seconds. Two relays do no harm, and none only costs that time.
"""

from __future__ import annotations

import atexit
import logging
import threading
from typing import Any

from celery.signals import beat_init
from sqlalchemy import Engine

from plumbline.broker import check_writable
from plumbline.settings import Settings
from plumbline_client.broker import Publisher
from plumbline_client.errors import BrokerUnavailable, StorageError
from storage.database import connect, translate_errors
from storage.jobs import ledger, outbox
from storage.jobs.outbox import Listener
from worker.backoff import backoff_s
from worker.sweeper import messages, publish

log = logging.getLogger(__name__)
MOST_AT_ONCE = 10_000
# How long a stop may wait for us, and how often we look without having heard anything: an
# announcement is lost where a proxy shares connections between its clients.
LISTEN_S = 0.5
LOOK_EVERY_S = 5.0
LONGEST_PAUSE_S = 5.0


class Relay:
    """Listens and publishes until it is stopped, whatever server comes and goes."""

    def __init__(self, engine: Engine, publisher: Publisher, settings: Settings) -> None:
        self._engine = engine
        self._publisher = publisher
        self._settings = settings
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Let it publish what it has taken, so that nothing waits for the sweeper."""
        self._stopping.set()
        self._thread.join(LONGEST_PAUSE_S)
        self._publisher.close()
        self._engine.dispose()

    def _run(self) -> None:
        tries = 0
        while not self._stopping.is_set():
            try:
                with translate_errors(self._engine), outbox.listening(self._engine) as listener:
                    while self._relay(listener):
                        tries = 0
            except StorageError as error:
                log.warning("the relay waits: %s", error)
            except Exception:
                # Without this thread everything still works, seconds later: it must not die unseen.
                log.exception("the relay waits")
            if not self._stopping.is_set():
                self._stopping.wait(min(LONGEST_PAUSE_S, backoff_s(tries)))
                tries += 1

    def _relay(self, listener: Listener) -> bool:
        """Publish what there is, then wait for more; False where Redis is away or we must stop."""
        if not relay_once(self._engine, self._publisher, self._settings):
            return False
        for _ in range(round(LOOK_EVERY_S / LISTEN_S)):
            if self._stopping.is_set():
                return False
            if listener.wait(LISTEN_S):
                return True
        listener.check()
        return True


def relay_once(engine: Engine, publisher: Publisher, settings: Settings) -> bool:
    """Empty the outbox; False where Redis did not take everything, which is then in it again."""
    assert settings.broker_url is not None
    while True:
        try:
            # First, since taking what cannot be sent would rewrite the same rows for hours.
            check_writable(settings.broker_url.get_secret_value())
        except BrokerUnavailable as error:
            log.warning("nothing is published: %s", error)
            return False
        with engine.begin() as connection:
            due = outbox.take(connection, max_attempts=settings.max_attempts, most=MOST_AT_ONCE)
        unsent = publish(publisher, messages(due, settings.message_size))
        if unsent:
            with engine.begin() as connection:
                ledger.unpublish(connection, unsent)
            return False
        if len(due.fresh) + len(due.suspects) < MOST_AT_ONCE:
            return True


def start_relay(**_: Any) -> None:
    settings = Settings.read()
    assert settings.database_url is not None and settings.broker_url is not None
    relay = Relay(
        connect(settings.database_url.get_secret_value()),
        Publisher(settings.broker_url.get_secret_value()),
        settings,
    )
    relay.start()
    atexit.register(relay.stop)


beat_init.connect(start_relay)
