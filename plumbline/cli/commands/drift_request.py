"""The request for a drift report: the command's options as the task's arguments."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from plumbline.cli.times import parse_time
from plumbline.errors import OptionInvalid
from storage.database import absolute_time
from storage.states import ReferenceKind


def task_arguments(
    *,
    source: str | None = None,
    since: str | None = None,
    last: int | None = None,
    reference: ReferenceKind | None = None,
    reference_since: str | None = None,
    reference_until: str | None = None,
    text: bool = False,
) -> dict[str, Any]:
    """Return the options that are set, since an older worker does not know all of them.

    Times are strings, or durations that mean that long ago; `with_absolute_times` replaces them.
    Raises OptionInvalid if options contradict or require each other.
    """
    if since is not None and last is not None:
        raise OptionInvalid("--since and --last exclude each other: a window has one start.")
    times = {
        "since": _parse_time(since, "--since"),
        "reference_since": _parse_time(reference_since, "--reference-since"),
        "reference_until": _parse_time(reference_until, "--reference-until"),
    }
    if reference is not ReferenceKind.WINDOW:
        _refuse_window_options(reference_since, reference_until, text)
    arguments = {
        "source": source,
        "last": last,
        "reference": str(reference) if reference else None,
        "text": text or None,
        **times,
    }
    return {name: value for name, value in arguments.items() if value is not None}


def with_absolute_times(arguments: Mapping[str, Any], connection: Connection) -> dict[str, Any]:
    """Return the arguments with their times in ISO format, by PostgreSQL's clock.

    Raises OptionInvalid if the earlier window ends before it starts.
    """
    times = {
        name: absolute_time(connection, value)
        for name, value in arguments.items()
        if isinstance(value, datetime | timedelta)
    }
    begin, end = times.get("reference_since"), times.get("reference_until")
    if begin is not None and end is not None and begin >= end:
        raise OptionInvalid("--reference-since must be before --reference-until.")
    return {**arguments, **{name: time.isoformat() for name, time in times.items()}}


def _parse_time(value: str | None, option: str) -> datetime | timedelta | None:
    return None if value is None else parse_time(value, option)


def _refuse_window_options(since: str | None, until: str | None, text: bool) -> None:
    for option, value in (("--reference-since", since), ("--reference-until", until)):
        if value is not None:
            raise OptionInvalid(
                f"{option} refers to an earlier window: add --reference window as well."
            )
    if text:
        raise OptionInvalid(
            "--text compares texts, and a profile contains none: add --reference window as well."
        )
