"""The worker app with a short timeout for Redis: `-A tests.short_timeout_app`."""

from worker.celery import app

__all__ = ["app"]

app.conf.broker_transport_options |= {"socket_timeout": 2.0, "health_check_interval": 2}
