"""The rows of a file that a command did not accept, as it prints them at the end."""

from __future__ import annotations

from dataclasses import dataclass, field

from plumbline.cli.output.console import out
from plumbline.files.row_tally import RowTally

PRINTED_ERRORS = 5


@dataclass(slots=True)
class RowErrors:
    """Counts the rows, in total and by kind, and keeps the (line, reason) of the first ones."""

    count: int = 0
    first: list[tuple[int, str]] = field(default_factory=list)
    kinds: RowTally = field(default_factory=RowTally)

    def add(self, line: int, reason: str, kind: str = "other") -> None:
        self.count += 1
        self.kinds.add(kind, line)
        if len(self.first) < PRINTED_ERRORS:
            self.first.append((line, reason))

    def print(self) -> None:
        for line, reason in self.first:
            out.print(f"  line {line:,}: {reason}", markup=False, soft_wrap=True)
        if self.count > len(self.first):
            out.print(f"  ... and {self.count - len(self.first):,} more")
            # The first rows may all be of one kind.
            for kind in self.kinds.counts if len(self.kinds.counts) > 1 else ():
                print_kind(kind.replace("_", " "), self.kinds, kind)


def print_kind(name: str, tally: RowTally, kind: str) -> None:
    """Print how many rows of a kind there are and where the first ones are."""
    out.print(f"  {name}: {tally.places(kind)}", markup=False, soft_wrap=True)
