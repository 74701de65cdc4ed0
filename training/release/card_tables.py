"""Tables and numbers of a model card in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from plumbline_client.visible import one_line
from scoring.intervals import Interval

NO_VALUE = "–"


def quoted(text: str) -> str:
    """Return a name or text from outside as code, in which Markdown and HTML mean nothing."""
    return f"`{one_line(text).replace('`', chr(39))}`"


def properties(values: Mapping[str, object]) -> list[str]:
    return table(("", ""), [(name.replace("_", " "), value) for name, value in values.items()])


def table(header: Sequence[object], rows: Iterable[Sequence[object]]) -> list[str]:
    head, *body = (" | ".join(_cell(value) for value in row) for row in (header, *rows))
    return [f"| {head} |", "|---" * len(header) + "|", *(f"| {line} |" for line in body), ""]


def _cell(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return " ".join(text.split()).replace("|", "\\|")


def with_interval(value: float, interval: Interval) -> str:
    return f"{value:.4f} ({interval.low:.4f} to {interval.high:.4f})"


def share(value: float | None) -> str:
    return NO_VALUE if value is None else f"{value:.4f}"
