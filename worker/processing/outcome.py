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
    `skipped` counts texts that were finished, leased or ended elsewhere; `returned` holds leases
    that a drain gave back unscored. `written` are the `predictions` that reached the ledger; the
    others had been claimed by another worker in the meantime.
    """

    refused: int = 0
    skipped: int = 0
    predictions: list[NewPrediction] = field(default_factory=list)
    rejected: list[tuple[Lease, str]] = field(default_factory=list)
    failed: list[tuple[Lease, str]] = field(default_factory=list)
    returned: list[Lease] = field(default_factory=list)
    written: list[NewPrediction] = field(default_factory=list)
    shadow: ShadowOutcome = field(default_factory=ShadowOutcome)

    @property
    def scored(self) -> int:
        return len(self.written)

    @property
    def rejected_count(self) -> int:
        """The number of rejected texts, on arrival or during scoring."""
        return self.refused + len(self.rejected)
