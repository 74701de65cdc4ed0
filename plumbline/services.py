"""The servers that a command talks to, and where `plumbline up` publishes the addresses of its own."""

from __future__ import annotations

from pathlib import Path

from plumbline.settings import Settings
from plumbline_client import Client
from plumbline_client.services import ADDRESS_FILE, LOCK_FILE, Services, find_services

__all__ = ["Services", "address_file", "connected", "lock_file", "open_client"]


def address_file(settings: Settings) -> Path:
    """Return the file with both URLs, which `plumbline up` keeps while it runs."""
    return settings.state_dir / ADDRESS_FILE


def lock_file(settings: Settings) -> Path:
    """Return the file that `plumbline up` keeps locked while it runs."""
    return settings.state_dir / LOCK_FILE


def connected(settings: Settings) -> Services:
    """Return the servers of these settings, else those of the running `plumbline up`.

    Raises ServicesMissing if there are neither.
    """
    database_url, broker_url = settings.database_url, settings.broker_url
    return find_services(
        database_url.get_secret_value() if database_url else None,
        broker_url.get_secret_value() if broker_url else None,
        settings.state_dir,
    )


def open_client(settings: Settings, services: Services) -> Client:
    """Return a client with the limits of these settings."""
    return Client(
        services.database_url,
        services.broker_url,
        source=settings.source,
        message_size=settings.message_size,
        max_backlog=settings.max_backlog,
        max_text_chars=settings.max_text_chars,
    )
