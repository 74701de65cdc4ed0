"""Request a report from the reports worker and wait for its row."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from plumbline.errors import ReportMissing
from plumbline.queues import REPORT_QUEUE
from plumbline.services import open_publisher
from plumbline_client.deadline import time_limit
from plumbline_client.pause import pause
from plumbline_client.services import Services

Report = TypeVar("Report")

POLL_S = 0.2
GRACE_S = 5.0


def send(task: str, arguments: Mapping[str, Any], services: Services) -> str:
    """Send a report task and return its id. Raises BrokerUnavailable."""
    task_id = str(uuid.uuid4())
    with open_publisher(services.broker_url) as publisher:
        publisher.send(task, dict(arguments), REPORT_QUEUE, task_id)
    return task_id


def wait_for(
    engine: Engine,
    query: Callable[[Connection], Report | None],
    timeout_s: float,
    on_poll: Callable[[], None] = lambda: None,
) -> Report:
    """Poll until `query` returns a report, and return that; `on_poll` is called before each query.

    Raises ReportMissing after `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    # The last query may take a little longer than the wait for the report.
    with time_limit(timeout_s + GRACE_S):
        while True:
            on_poll()
            with engine.connect() as connection:
                report = query(connection)
            if report is not None:
                return report
            if time.monotonic() > deadline:
                raise ReportMissing(
                    f"No report arrived within {timeout_s:g} s; is a reports worker running? "
                    "`plumbline up` runs one, as does `celery -A worker worker -Q "
                    "plumbline.reports --concurrency=1`; the request stays queued until one "
                    "starts."
                )
            pause(POLL_S)
