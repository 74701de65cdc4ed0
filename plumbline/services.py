"""The servers that a command talks to, and where `plumbline up` publishes its addresses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import plumbline_client
from plumbline.redis_users import WORKER
from plumbline.settings import Settings
from plumbline_client.services import ADDRESS_FILE, LOCK_FILE, Services, find_services

# Redis-py takes a fifth of a command's start, and few commands publish.
if TYPE_CHECKING:
    from plumbline_client.broker import Publisher

__all__ = ["Services", "address_file", "connected", "lock_file", "open_client", "open_publisher"]


def address_file(settings: Settings) -> Path:
    """Return the file with both URLs, which `plumbline up` keeps while it runs."""
    return settings.state_dir / ADDRESS_FILE


def lock_file(settings: Settings) -> Path:
    """Return the file that `plumbline up` keeps locked while it runs."""
    return settings.state_dir / LOCK_FILE


def connected(settings: Settings, redis_user: str = WORKER) -> Services:
    """Return the servers of these settings, else those of the running `plumbline up`.

    `redis_user` is the user of the latter's Redis. An operator's commands have the rights of a
    worker, since they also request reports. Raises ServicesMissing if there are neither.
    """
    return find_services(*settings.server_urls, settings.state_dir, redis_user)


def open_client(settings: Settings, services: Services) -> plumbline_client.Client:
    """Return a client with the limits of these settings."""
    # The package imports its client, and with it redis-py, when it is first used.
    return plumbline_client.Client(
        services.database_url,
        services.broker_url,
        source=settings.source,
        message_size=settings.message_size,
        max_backlog=settings.max_backlog,
        max_text_chars=settings.max_text_chars,
    )


def open_publisher(broker_url: str) -> Publisher:
    """Return a publisher of messages. Raises BrokerUrlInvalid."""
    from plumbline_client.broker import Publisher

    return Publisher(broker_url)
