"""The arguments of a drift task: what a report compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from plumbline.messages import MessageRejected
from storage.states import ReferenceKind

FIELDS = {
    "source": str,
    "since": str,
    "last": int,
    "reference": str,
    "reference_since": str,
    "reference_until": str,
    "text": bool,
    "by_source": bool,
}
TIMES = ("since", "reference_since", "reference_until")


@dataclass(frozen=True, slots=True)
class DriftReportRequest:
    """A request for one report, or with `by_source` for one on all sources and one per source.

    A field of None takes its value from the settings. The window starts at `since`, or contains the
    `last` predictions. `text` also compares the texts themselves; this needs a reference of live
    traffic, because a profile contains no texts. Times without a zone are UTC.
    """

    source: str | None = None
    since: datetime | None = None
    last: int | None = None
    reference: ReferenceKind | None = None
    reference_since: datetime | None = None
    reference_until: datetime | None = None
    text: bool | None = None
    by_source: bool = False
    task_id: str | None = None

    @classmethod
    def parse(cls, arguments: Mapping[str, Any], task_id: str | None = None) -> DriftReportRequest:
        """Parse a task's arguments. Raises MessageRejected with the reason."""
        values = {name: value for name, value in arguments.items() if value is not None}
        for name, value in values.items():
            if name not in FIELDS:
                raise MessageRejected(
                    f"{name} is not an argument of a drift report; the arguments are "
                    f"{', '.join(FIELDS)}"
                )
            if type(value) is not FIELDS[name]:
                raise MessageRejected(
                    f"{name} is {value!r}, but it must be of type {FIELDS[name].__name__}"
                )
        if values.get("last", 1) < 1:
            raise MessageRejected(f"last is {values['last']}, but it must be at least 1")
        times = {name: _parse_time(name, values[name]) for name in TIMES if name in values}
        if "reference" in values:
            values["reference"] = _parse_reference(values["reference"])
        return cls(**values | times, task_id=task_id)


def _parse_time(name: str, value: str) -> datetime:
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        raise MessageRejected(f"{name} is not an ISO 8601 time: {value!r}") from None
    return parsed.replace(tzinfo=parsed.tzinfo or UTC)


def _parse_reference(value: str) -> ReferenceKind:
    try:
        return ReferenceKind(value)
    except ValueError:
        kinds = ", ".join(ReferenceKind)
        raise MessageRejected(f"reference is {value!r}, but it must be one of {kinds}") from None
