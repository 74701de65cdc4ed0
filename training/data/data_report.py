"""What training reports about the rows of its files that it cannot use, or uses changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plumbline.files import InvalidRow
from plumbline.files.row_tally import RowTally
from plumbline.labels import LabelValues

LISTED_ROWS = 10
LISTED_PAIRS = 3
REFUSED, REPLACED = "refused_text", "replaced_characters"
SENTENCES = {
    REFUSED: "texts that the worker would reject, such as empty ones, are left out",
    REPLACED: "texts have NULs or lone surrogates, which are replaced",
}


@dataclass(slots=True)
class DataReport:
    """The rows of all files that were left out or repaired, by kind.

    `contradictory` is the number of texts that are labelled 0 as well as 1, `contradictory_lines`
    where the first of them are: the line of each label. `values` are those that options name.
    """

    left_out: RowTally = field(default_factory=RowTally)
    repaired: RowTally = field(default_factory=RowTally)
    contradictory: int = 0
    contradictory_lines: list[tuple[str, str]] = field(default_factory=list)
    values: LabelValues | None = None

    def add_contradictions(self, pairs: Sequence[tuple[str, str]]) -> None:
        self.contradictory = len(pairs)
        self.contradictory_lines = list(pairs[:LISTED_PAIRS])

    def document(self) -> dict[str, Any]:
        return {
            "left_out": self.left_out.document(),
            "repaired": self.repaired.document(),
            "contradictory": self.contradictory,
            "contradictory_lines": [list(pair) for pair in self.contradictory_lines],
            "other_values": {} if self.values is None else dict(self.values.others.most_common()),
        }

    def sentences(self) -> list[str]:
        """Return one sentence per kind, for the log."""
        sentences = [
            f"{_description(kind)}: {tally.places(kind)}"
            for tally in (self.left_out, self.repaired)
            for kind in tally.counts
        ]
        if self.contradictory:
            places = ", ".join(" and ".join(pair) for pair in self.contradictory_lines)
            listed = f" (in {places})" if places else ""
            sentences.append(f"texts are labelled 0 and 1: {self.contradictory:,}{listed}")
        sentences = [f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences]
        others = None if self.values is None else self.values.sentence()
        return sentences if others is None else [*sentences, others]


@dataclass(slots=True)
class InvalidRows:
    """The invalid rows of one file, by reason, for the sentence that refuses the file."""

    count: int = 0
    lines: dict[str, list[int]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, row: InvalidRow) -> None:
        self.count += 1
        if row.reason not in self.counts and len(self.counts) == LISTED_ROWS:
            return
        self.counts[row.reason] = self.counts.get(row.reason, 0) + 1
        lines = self.lines.setdefault(row.reason, [])
        if len(lines) < LISTED_ROWS:
            lines.append(row.line)

    def sentence(self, path: Path) -> str:
        """Return why the file is refused because of these rows."""
        rows, them = ("a row", "it") if self.count == 1 else (f"{self.count:,} rows", "them")
        return (
            f"{path} has {rows} that cannot be used ({self._reasons()}); correct {them}, or leave "
            "out such rows with --skip-invalid."
        )

    def sentence_of_all(self, path: Path) -> str:
        """Return that no row is left after these have been left out."""
        return f"{path} has no row that can be used ({self._reasons()})."

    def _reasons(self) -> str:
        reasons = [
            f"{_lines(lines, self.counts[reason])}: {reason}"
            for reason, lines in self.lines.items()
        ]
        more = self.count - sum(self.counts.values())
        reasons += [f"and {more:,} more"] if more else []
        return "; ".join(reasons)


def _description(kind: str) -> str:
    return SENTENCES.get(kind, f"rows are left out ({kind.replace('_', ' ')})")


def _lines(lines: list[int], count: int) -> str:
    if count == 1:
        return f"line {lines[0]}"
    more = f" and {count - len(lines):,} more" if count > len(lines) else ""
    return f"lines {', '.join(map(str, lines))}{more}"
