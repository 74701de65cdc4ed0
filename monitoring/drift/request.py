"""What a report is asked to compare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from plumbline.messages import MessageRejected

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
MOMENTS = ("since", "reference_since", "reference_until")


class ReferenceKind(StrEnum):
    """What a window is held against: what training measured, or an earlier window."""

    PROFILE = "profile"
    WINDOW = "window"


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """None is the setting's own.

    The window starts at `since`, or holds the `last` predictions. `by_source` asks for a report of
    all and one of each source; `text` for the texts themselves to be compared too, which needs a
    reference of live traffic, since a profile holds none. Times are UTC where they name no zone.
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
    def parse(cls, arguments: Mapping[str, Any], task_id: str | None = None) -> ReportRequest:
        """Read a task's arguments; raise MessageRejected with what is wrong with them."""
        given = {name: value for name, value in arguments.items() if value is not None}
        for name, value in given.items():
            if name not in FIELDS:
                there = ", ".join(FIELDS)
                raise MessageRejected(f"{name} is no argument of a report; it has {there}")
            if type(value) is not FIELDS[name]:
                raise MessageRejected(f"{name} is {value!r}, which is no {FIELDS[name].__name__}")
        if given.get("last", 1) < 1:
            last = given["last"]
            raise MessageRejected(f"last is {last}, and a window holds at least 1 prediction")
        times = {name: _moment(name, given[name]) for name in MOMENTS if name in given}
        if "reference" in given:
            given["reference"] = _kind(given["reference"])
        return cls(**given | times, task_id=task_id)


def _moment(name: str, value: str) -> datetime:
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        raise MessageRejected(f"{name} is no ISO 8601 time: {value!r}") from None
    return parsed.replace(tzinfo=parsed.tzinfo or UTC)


def _kind(value: str) -> ReferenceKind:
    try:
        return ReferenceKind(value)
    except ValueError:
        kinds = ", ".join(ReferenceKind)
        raise MessageRejected(f"reference is {value!r}, and must be one of {kinds}") from None
