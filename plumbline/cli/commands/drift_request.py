"""Asking the reports worker for a drift report, and waiting until it is there."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from plumbline.cli.output.drift_report import Report, read
from plumbline.cli.times import moment
from plumbline.errors import OptionInvalid, ReportMissing
from plumbline.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

POLL_S = 0.2


class Reference(StrEnum):
    """What a window is compared with."""

    PROFILE = "profile"
    WINDOW = "window"


def arguments(
    *,
    source: str | None = None,
    since: str | None = None,
    last: int | None = None,
    reference: Reference | None = None,
    reference_since: str | None = None,
    reference_until: str | None = None,
    text: bool = False,
) -> dict[str, Any]:
    """The task's arguments, those that say something: an older worker knows fewer of them.

    Raises OptionInvalid where options exclude or need each other.
    """
    if since is not None and last is not None:
        raise OptionInvalid("--since and --last exclude each other: a window has one beginning.")
    moments = {
        "since": _moment(since, "--since"),
        "reference_since": _moment(reference_since, "--reference-since"),
        "reference_until": _moment(reference_until, "--reference-until"),
    }
    if reference is not Reference.WINDOW:
        _refuse_without_window(reference_since, reference_until, text)
    begin, end = moments["reference_since"], moments["reference_until"]
    if begin is not None and end is not None and begin >= end:
        raise OptionInvalid("--reference-since must be before --reference-until.")
    given = {
        "source": source,
        "last": last,
        "reference": str(reference) if reference else None,
        "text": text or None,
        **{name: when.isoformat() if when else None for name, when in moments.items()},
    }
    return {name: value for name, value in given.items() if value is not None}


def ask(settings: Settings, task_arguments: Mapping[str, Any]) -> str:
    """Send the drift task; return its id. Raises BrokerUnavailable."""
    from plumbline.queues import DRIFT_TASK, REPORT_QUEUE
    from plumbline_client.broker import Publisher

    assert settings.broker_url is not None
    task_id = str(uuid.uuid4())
    with Publisher(settings.broker_url.get_secret_value()) as publisher:
        publisher.send(DRIFT_TASK, dict(task_arguments), REPORT_QUEUE, task_id)
    return task_id


def await_report(engine: Engine, task_id: str, timeout_s: float) -> Report:
    """The report the task made; raises ReportMissing where none came in time."""
    from storage.reports.drift import report_of_task

    deadline = time.monotonic() + timeout_s
    while True:
        with engine.connect() as connection:
            report_id = report_of_task(connection, task_id)
            if report_id is not None:
                return read(connection, report_id)
        if time.monotonic() > deadline:
            raise ReportMissing(
                f"No report came within {timeout_s:g} s: is a reports worker running? "
                "`plumbline up` runs one, as does `celery -A worker worker -Q plumbline.reports "
                "--concurrency=1`; the request waits for it."
            )
        time.sleep(POLL_S)


def _moment(given: str | None, option: str) -> datetime | None:
    return None if given is None else moment(given, option)


def _refuse_without_window(since: str | None, until: str | None, text: bool) -> None:
    for option, given in (("--reference-since", since), ("--reference-until", until)):
        if given is not None:
            raise OptionInvalid(f"{option} is of an earlier window: give --reference window too.")
    if text:
        raise OptionInvalid(
            "--text compares texts, and a profile holds none: give --reference window too."
        )
