"""Counts of a backtest by source, and the figures that follow from them. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from scoring.intervals import paired_difference, wilson
from scoring.score import Decision


@dataclass(frozen=True, slots=True)
class Answer:
    """What a version answers to a text: its decision, and the label it predicts, 1 if positive.

    A text for review has a predicted label as well, which is what labels are compared with.
    """

    decision: str
    predicted: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share of right labels, or a difference of two, with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class BacktestRow:
    """The figures of one source, or of all if `source` is None.

    `changed` is the number of texts whose decision changed; `to` is what it changed to. The metrics
    rate predicted labels of labelled texts, and are None without any. `f1` is (live, candidate);
    each is None if no text is or is predicted positive. `difference` is the candidate's accuracy
    minus that of the live answers to the same texts.
    """

    source: str | None
    texts: int
    changed: int
    to: Mapping[Decision, int]
    labelled: int
    random_labels: int
    newly_right: int
    newly_wrong: int
    live: Estimate | None
    candidate: Estimate | None
    difference: Estimate | None
    f1: tuple[float | None, float | None]

    @property
    def verdict(self) -> str | None:
        """Return "better" or "worse" if chance does not explain it, else "undecided"."""
        if self.difference is None:
            return None
        if self.difference.low > 0.0:
            return "better"
        return "worse" if self.difference.high < 0.0 else "undecided"


@dataclass(slots=True)
class Tally:
    """Counts of the texts of one source. `outcomes` are (label, live, candidate)."""

    texts: int = 0
    random_labels: int = 0
    to: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[tuple[int, int, int]] = field(default_factory=Counter)

    def add(self, live: Answer, candidate: Answer, label: int | None, is_random: bool) -> None:
        self.texts += 1
        if candidate.decision != live.decision:
            self.to[candidate.decision] += 1
        if label is not None:
            self.outcomes[label, live.predicted, candidate.predicted] += 1
            self.random_labels += is_random

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.texts + other.texts,
            self.random_labels + other.random_labels,
            self.to + other.to,
            self.outcomes + other.outcomes,
        )

    def row(self, source: str | None) -> BacktestRow:
        labelled = self.outcomes.total()
        newly_right = self._count({(0, 1, 0), (1, 0, 1)})
        newly_wrong = self._count({(0, 0, 1), (1, 1, 0)})
        both_right = self._count({(0, 0, 0), (1, 1, 1)})
        return BacktestRow(
            source=source,
            texts=self.texts,
            changed=self.to.total(),
            to={decision: self.to[decision] for decision in Decision},
            labelled=labelled,
            random_labels=self.random_labels,
            newly_right=newly_right,
            newly_wrong=newly_wrong,
            live=_share(both_right + newly_wrong, labelled),
            candidate=_share(both_right + newly_right, labelled),
            difference=_difference(newly_right, newly_wrong, labelled),
            f1=(self._f1(0), self._f1(1)),
        )

    def _count(self, outcomes: Collection[tuple[int, int, int]]) -> int:
        return sum(self.outcomes[outcome] for outcome in outcomes)

    def _f1(self, side: int) -> float | None:
        """2 tp / (2 tp + fp + fn) of the live answers (0) or the candidate's (1)."""
        hits = positives = 0
        for (label, *answers), count in self.outcomes.items():
            hits += count * (label & answers[side])
            positives += count * (label + answers[side])
        return 2 * hits / positives if positives else None


def rows(tallies: Mapping[str, Tally]) -> list[BacktestRow]:
    """Return one row per source, most texts first, and the row of all last."""
    by_size = sorted(tallies.items(), key=lambda item: (-item[1].texts, item[0]))
    whole = sum(tallies.values(), Tally())
    return [tally.row(source) for source, tally in by_size] + [whole.row(None)]


def _share(right: int, labelled: int) -> Estimate | None:
    if not labelled:
        return None
    interval = wilson(right, labelled)
    return Estimate(right / labelled, interval.low, interval.high)


def _difference(newly_right: int, newly_wrong: int, labelled: int) -> Estimate | None:
    if not labelled:
        return None
    interval = paired_difference(newly_right, newly_wrong, labelled)
    return Estimate((newly_right - newly_wrong) / labelled, interval.low, interval.high)
