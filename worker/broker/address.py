"""Whether a Celery connection leads to the Redis of the settings, to which texts are submitted.

Nothing that Plumbline configures leads elsewhere. Celery has more ways to set a broker than can be
listed, and a worker that reads another Redis looks healthy while no text is scored.
"""

from __future__ import annotations

from typing import Any

from celery import Celery
from kombu import Connection

from plumbline.celery_config import broker_config
from plumbline_client.errors import PlumblineError


class BrokerDiffers(PlumblineError):
    """The app would read or write another broker than PLUMBLINE_BROKER_URL."""


def check_broker(app: Celery, broker_url: str) -> None:
    """Raise BrokerDiffers unless the app reads from and writes to `broker_url`."""
    for connection in (app.connection_for_read(), app.connection_for_write()):
        if not leads_to(connection, broker_url):
            raise BrokerDiffers(
                "Celery is configured with another broker than PLUMBLINE_BROKER_URL; remove the "
                "option or the setting that names it."
            )


def leads_to(connection: Connection, broker_url: str) -> bool:
    """Return whether it is the same Redis and database, and its keys have the same prefix."""
    config = broker_config(broker_url)
    expected = Connection(
        config["broker_url"],
        ssl=config["broker_use_ssl"],
        transport_options=config["broker_transport_options"],
    )
    return _address(connection) == _address(expected)


def _address(connection: Connection) -> tuple[Any, ...]:
    return (
        connection.transport_cls,
        connection.hostname,
        connection.port,
        connection.virtual_host,
        connection.userid,
        connection.password,
        connection.alt,
        connection.transport_options.get("global_keyprefix"),
    )
