"""The Celery application. `celery -A worker worker` and `celery -A worker beat` start it."""

from __future__ import annotations

from typing import Any

from plumbline.system_errors import describe


def __getattr__(name: str) -> Any:
    """Return the app, for which Celery asks first.

    If an import failed here, Celery would only report that this package has no app.
    """
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from worker.celery import app
    except ImportError as error:
        raise SystemExit(describe(error)) from error
    return app
