"""What `plumbline label` did with the rows of a file: the counts that it prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rich.table import Table

from plumbline.cli.label_rows import JobName
from plumbline.cli.output.console import count_table
from plumbline.cli.output.row_errors import RowErrors
from plumbline.files.row_tally import RowTally
from storage.jobs.contradictions import Contradictions, LabelledJob
from storage.jobs.labels import LabelOutcome

SkipKind = Literal["unknown", "refused", "unusable"]
CONTRADICTORY = "contradictory"
NOTES = {
    "accepted": "",
    "changed": "replaced a different label",
    "known": "already; nothing was changed",
    "unlabelled": "not labelled yet: their label is empty",
    "unknown": "name a job that does not exist",
    "refused": "name a job of a source that belongs to others",
    "unusable": "skipped",
}


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A line whose label was not stored, with the reason, and its job if the line names one."""

    kind: SkipKind
    line: int
    error: str
    # Why in a word that programs can count by.
    problem: str = field(default="other", compare=False)
    job: JobName | None = None

    def document(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "line": self.line,
            "error": self.error,
            "problem": self.problem,
            "job_id": None if self.job is None else self.job.job_id,
            "source": None if self.job is None else self.job.source,
            "key": None if self.job is None else self.job.key,
        }


@dataclass(slots=True)
class LabelCounts:
    """How many labels were stored, and what happened to the others.

    `contradictory` are the lines whose label differs from an earlier line's about the same job.
    """

    accepted: int = 0
    changed: int = 0
    known: int = 0
    unlabelled: int = 0
    unknown: int = 0
    refused: int = 0
    unusable: int = 0
    errors: RowErrors = field(default_factory=RowErrors)
    contradictory: RowTally = field(default_factory=RowTally)
    contradictions: Contradictions = field(default_factory=lambda: Contradictions(0, []))

    def add(
        self, outcome: LabelOutcome, skipped: Sequence[SkippedRow], contradictory: Sequence[int]
    ) -> None:
        self.accepted += outcome.accepted
        self.changed += outcome.changed
        self.known += outcome.known
        for row in skipped:
            self.unknown += row.kind == "unknown"
            self.refused += row.kind == "refused"
            self.unusable += row.kind == "unusable"
            self.errors.add(row.line, row.error, row.problem)
        for line in contradictory:
            self.contradictory.add(CONTRADICTORY, line)

    def counts(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in NOTES}

    def document(self) -> dict[str, Any]:
        lines = self.contradictory.document().get(CONTRADICTORY, {"count": 0, "lines": []})
        return {
            **self.counts(),
            "skipped": self.errors.kinds.document(),
            "contradictory": lines,
            "contradictory_texts": {
                "count": self.contradictions.texts,
                "jobs": [[job.job_id for job in pair] for pair in self.contradictions.examples],
            },
        }

    def table(self) -> Table:
        return count_table(self.counts(), NOTES)

    def sentences(self) -> list[str]:
        """Return what is contradictory."""
        sentences = []
        if self.contradictory:
            places = self.contradictory.places(CONTRADICTORY)
            sentences.append(
                "Labels contradict an earlier line about the same job, and the last line counts: "
                f"{places}."
            )
        if self.contradictions.texts:
            negative, positive = map(_name, self.contradictions.examples[0])
            sentences.append(
                f"Texts are labelled 0 in one job and 1 in another: {self.contradictions.texts:,}, "
                f"such as the {negative} and the {positive}."
            )
        return sentences


def _name(job: LabelledJob) -> str:
    name = JobName(job.job_id)
    return str(name if job.key is None else JobName(job.job_id, job.key, job.source))
