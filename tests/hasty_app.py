"""A worker like any other, `-A tests.hasty_app`, that soon gives up waiting for Redis."""

from worker.celery import app

__all__ = ["app"]

app.conf.broker_transport_options |= {"socket_timeout": 2.0, "health_check_interval": 2}
