"""The rows of a file that a command did not accept, as it prints them at the end."""

from __future__ import annotations

from dataclasses import dataclass, field

from plumbline.cli.output.console import out

PRINTED_ERRORS = 5


@dataclass(slots=True)
class RowErrors:
    """Counts the rows and keeps the (line, reason) of the first ones."""

    count: int = 0
    first: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, reason: str) -> None:
        self.count += 1
        if len(self.first) < PRINTED_ERRORS:
            self.first.append((line, reason))

    def print(self) -> None:
        for line, reason in self.first:
            out.print(f"  line {line:,}: {reason}", markup=False, soft_wrap=True)
        if self.count > len(self.first):
            out.print(f"  ... and {self.count - len(self.first):,} more")
