"""What `celery inspect stats` shows of the broker: its address, without any password."""

from __future__ import annotations

from typing import Any

from celery import bootsteps

# Celery's keys, as far as they contain no secret.
SHOWN = ("userid", "virtual_host", "port", "transport", "connect_timeout", "uri_prefix")


class BrokerStatistics(bootsteps.StartStopStep):  # type: ignore[misc]
    """Replaces the statistics of Celery's own step.

    That one omits the password, but not the login in the URL of a socket, nor the options of TLS,
    among which is the password of the key.
    """

    requires = ("celery.worker.consumer.connection:Connection",)

    def info(self, consumer: Any) -> dict[str, Any]:
        return {"broker": _address(consumer.connection)} if consumer.connection else {}


def _address(connection: Any) -> dict[str, Any]:
    info = connection.info()
    address = {name: info[name] for name in SHOWN}
    # For a socket, the host is a URL.
    host = connection.as_uri() if info["uri_prefix"] else info["hostname"]
    return address | {"hostname": host, "ssl": bool(info["ssl"])}
