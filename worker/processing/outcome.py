"""The outcome of a scoring message: what happened to each of its texts."""

from __future__ import annotations

from dataclasses import dataclass, field

from storage.jobs.claim import Lease
from storage.jobs.predictions import NewPrediction


@dataclass(slots=True)
class ShadowOutcome:
    """How many texts of a message the shadow scored, and how many it could not score."""

    scored: int = 0
    failed: int = 0


@dataclass(slots=True)
class MessageOutcome:
    """What happened to the texts of one message.

    `refused` counts texts rejected on arrival, `rejected` holds those rejected during scoring.
    `conflicts` counts texts whose key belongs to another text, `skipped` texts that were finished,
    leased or ended elsewhere; `returned` holds leases that a drain gave back unscored. `written`
    are the `predictions` that reached the ledger; the others had been claimed by another worker in
    the meantime. `unclaimed` texts were not begun when a drain came.
    """

    refused: int = 0
    conflicts: int = 0
    skipped: int = 0
    predictions: list[NewPrediction] = field(default_factory=list)
    rejected: list[tuple[Lease, str]] = field(default_factory=list)
    failed: list[tuple[Lease, str]] = field(default_factory=list)
    returned: list[Lease] = field(default_factory=list)
    written: list[NewPrediction] = field(default_factory=list)
    shadow: ShadowOutcome = field(default_factory=ShadowOutcome)
    unclaimed: int = 0

    def add(self, other: MessageOutcome) -> None:
        """Add the outcome of further texts of the same message."""
        self.refused += other.refused
        self.conflicts += other.conflicts
        self.skipped += other.skipped
        self.predictions += other.predictions
        self.rejected += other.rejected
        self.failed += other.failed
        self.returned += other.returned
        self.written += other.written
        self.shadow.scored += other.shadow.scored
        self.shadow.failed += other.shadow.failed

    @property
    def scored(self) -> int:
        return len(self.written)

    @property
    def rejected_count(self) -> int:
        """The number of rejected texts, on arrival or during scoring."""
        return self.refused + len(self.rejected)
