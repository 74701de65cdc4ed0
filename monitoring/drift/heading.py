"""What a report is about, in the words that head its page and its run in Evidently's UI."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from plumbline_client.visible import one_line
from storage.states import DriftVerdict


@dataclass(frozen=True, slots=True)
class Heading:
    """`source` is None for all sources; `reference` describes the texts of the reference.

    `window_from` and `window_to` are when the first and the last text of the window was scored.
    """

    model: str
    source: str | None
    verdict: DriftVerdict
    summary: str
    window_rows: int
    window_from: datetime
    window_to: datetime
    reference: str
    reference_rows: int

    @property
    def title(self) -> str:
        """Return one line without control characters: a source names itself, and may be hostile."""
        source = "all sources" if self.source is None else f"source {one_line(self.source)}"
        return f"{self.model}, {source}: {str(self.verdict).replace('_', ' ')}"

    @property
    def window(self) -> str:
        period = f"{_minute(self.window_from)} to {_minute(self.window_to)} UTC"
        return f"{self.window_rows:,} texts, scored {period}"

    @property
    def compared_with(self) -> str:
        return f"{self.reference_rows:,} texts: {one_line(self.reference)}"


def _minute(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M}"
