"""Scores stored texts with a candidate, one by one, and counts how its answers differ."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from plumbline.backtest.comparison import Answer, BacktestRow, Tally, rows
from plumbline_client.errors import TextRefused
from scoring.artifact.seen_texts import SeenTexts
from scoring.score import Score
from storage.reports.backtest import ScoredText


@dataclass(frozen=True, slots=True)
class ChangedText:
    """A text whose decision changed. `label` is None if it has none."""

    job_id: uuid.UUID
    source: str
    text: str
    live: str
    candidate: str
    probability: float
    label: int | None


@dataclass(slots=True)
class Backtest:
    """What was counted so far. `live_models` are the versions that gave the live answers.

    `deleted` texts were deleted while it ran, and the candidate refused to score `refused` texts.
    The labels of `seen_labels` texts do not count, because the candidate was trained or calibrated
    on them: it may know them by heart. `seen` is None if it is unknown which texts these are.
    At most `keep` changed texts are kept.
    """

    keep: int = 0
    seen: SeenTexts | None = None
    tallies: dict[str, Tally] = field(default_factory=dict)
    live_models: dict[str, int] = field(default_factory=dict)
    changed: list[ChangedText] = field(default_factory=list)
    deleted: int = 0
    refused: int = 0
    seen_labels: int = 0

    @property
    def done(self) -> int:
        return self.deleted + self.refused + sum(self.live_models.values())

    def rows(self) -> list[BacktestRow]:
        return rows(self.tallies)

    def run(
        self,
        texts: Iterable[tuple[ScoredText, str | None]],
        score: Callable[[str], Score],
        advance: Callable[[], None] = lambda: None,
    ) -> None:
        """Score each text. What was counted before an interruption remains."""
        for scored, text in texts:
            if text is None:
                self.deleted += 1
            else:
                self._compare(scored, text, score)
            advance()

    def _compare(self, scored: ScoredText, text: str, score: Callable[[str], Score]) -> None:
        try:
            new = score(text)
        except TextRefused:
            self.refused += 1
            return
        live = Answer(scored.decision, int(scored.probability >= 0.5))
        candidate = Answer(new.decision, int(new.probability >= 0.5))
        label = self._unseen_label(scored, text)
        self.tallies.setdefault(scored.source, Tally()).add(live, candidate, label, scored.random)
        self.live_models[scored.model] = self.live_models.get(scored.model, 0) + 1
        if live.decision != candidate.decision and len(self.changed) < self.keep:
            self.changed.append(
                ChangedText(
                    scored.job_id,
                    scored.source,
                    text,
                    live.decision,
                    candidate.decision,
                    new.probability,
                    scored.label,
                )
            )

    def _unseen_label(self, scored: ScoredText, text: str) -> int | None:
        if scored.label is None or self.seen is None or text not in self.seen:
            return scored.label
        self.seen_labels += 1
        return None
