"""The worker app with the scorer of `tests.hasty`: `-A tests.hasty_app`.

It dies of the messages of one source before it claims them, as a defect of a parser would bring it.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from tests.hasty import DEADLY_SOURCE, load
from worker import tasks
from worker.celery import app
from worker.pool import process

__all__ = ["app"]

_check_source = tasks.check_source  # type: ignore[attr-defined]


def check_source(connection: Any, message: Any, list_name: str | None) -> None:
    if message.source == DEADLY_SOURCE:
        os.kill(os.getpid(), signal.SIGKILL)
    _check_source(connection, message, list_name)


process.load_scorer = load
tasks.check_source = check_source  # type: ignore[attr-defined]
