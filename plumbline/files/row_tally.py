"""How many rows a reader skipped or repaired, by kind, and where the first ones are."""

from __future__ import annotations

from dataclasses import dataclass, field

LISTED_ROWS = 5


@dataclass(slots=True)
class RowTally:
    """Counts rows by kind and keeps the lines of the first ones of each.

    A line is a number, or a file and a number if there are several files.
    """

    counts: dict[str, int] = field(default_factory=dict)
    lines: dict[str, list[int | str]] = field(default_factory=dict)

    def add(self, kind: str, line: int | str) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        first = self.lines.setdefault(kind, [])
        if len(first) < LISTED_ROWS:
            first.append(line)

    def __bool__(self) -> bool:
        return bool(self.counts)

    def document(self) -> dict[str, dict[str, object]]:
        """Return {kind: {"count": …, "lines": […]}} for a JSON summary."""
        return {
            kind: {"count": count, "lines": self.lines[kind]} for kind, count in self.counts.items()
        }

    def places(self, kind: str) -> str:
        """Return the number of rows of a kind and their first lines as a sentence states them."""
        count, first = self.counts[kind], self.lines[kind]
        listed = ", ".join(f"{line:,}" if isinstance(line, int) else line for line in first)
        more = f" and {count - len(first):,} more" if count > len(first) else ""
        return f"{count:,} ({'line' if count == 1 else 'lines'} {listed}{more})"
