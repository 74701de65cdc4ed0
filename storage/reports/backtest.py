"""Scored texts for a backtest: their live predictions and newest labels, and what is left out."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, text

from storage.jobs.labels import NEWEST_LABEL
from storage.states import Role

# Texts are read in batches, so that no transaction stays open while a batch is scored.
BATCH = 500


@dataclass(frozen=True, slots=True)
class BacktestSelection:
    """Texts scored since `since`, by a version whose classes are these, and submitted by these.

    No `sources` means all of them.
    """

    since: datetime
    classes: tuple[str, str]
    sources: Sequence[str] = ()

    def parameters(self) -> dict[str, object]:
        return {
            "since": self.since,
            "classes": list(self.classes),
            "sources": list(self.sources) or None,
        }


@dataclass(frozen=True, slots=True)
class ScoredText:
    """A live prediction and the newest label of its text.

    `probability` is that of the positive class, `label` 1 for it and None without one, and
    `random` whether the text was drawn at random for labelling.
    """

    job_id: uuid.UUID
    source: str
    model: str
    probability: float
    decision: str
    label: int | None
    random: bool


@dataclass(frozen=True, slots=True)
class LeftOutTexts:
    """Texts of the selected time and sources that a backtest cannot use.

    The text is deleted, or, if `classes` is set, `model` scored it, whose classes are those; empty
    if they were never registered.
    """

    source: str
    model: str
    classes: tuple[str, ...] | None
    texts: int


_SCORED = f"""
FROM plumbline.predictions AS live
JOIN plumbline.jobs AS jobs ON jobs.id = live.job_id
LEFT JOIN plumbline.model_versions AS versions ON versions.model = live.model
WHERE live.role = '{Role.LIVE}' AND live.scored_at >= :since
  AND (CAST(:sources AS text[]) IS NULL OR jobs.source = ANY(CAST(:sources AS text[])))
"""
_OTHER_CLASSES = "versions.labels IS DISTINCT FROM CAST(:classes AS text[])"

# Ids are random, so the first texts in their order are a sample of all, and always the same one.
SELECTED = text(f"""
SELECT scored.*, newest.label, newest.random
FROM (
    SELECT jobs.id AS job_id, jobs.source, live.model, live.probability, live.decision
    {_SCORED} AND jobs.text IS NOT NULL AND NOT {_OTHER_CLASSES}
    ORDER BY live.job_id
    LIMIT :limit
) AS scored
CROSS JOIN LATERAL ({NEWEST_LABEL.format(job_id="scored.job_id")}) AS newest
ORDER BY scored.job_id
""")

LEFT_OUT = text(f"""
SELECT jobs.source, live.model,
       CASE WHEN {_OTHER_CLASSES} THEN coalesce(versions.labels, '{{}}') END AS classes,
       count(*) AS texts
{_SCORED} AND (jobs.text IS NULL OR {_OTHER_CLASSES})
GROUP BY 1, 2, 3
ORDER BY texts DESC, jobs.source, live.model
""")

TEXTS = text("SELECT id, text FROM plumbline.jobs WHERE id = ANY(CAST(:ids AS uuid[]))")


def scored_texts(
    connection: Connection, selection: BacktestSelection, limit: int | None = None
) -> list[ScoredText]:
    """Return the live predictions whose texts are stored, in a fixed random order."""
    rows = connection.execute(SELECTED, selection.parameters() | {"limit": limit})
    return [ScoredText(*row) for row in rows]


def left_out_texts(connection: Connection, selection: BacktestSelection) -> list[LeftOutTexts]:
    """Return how many texts `scored_texts` leaves out, most first."""
    return [
        LeftOutTexts(
            row.source, row.model, None if row.classes is None else tuple(row.classes), row.texts
        )
        for row in connection.execute(LEFT_OUT, selection.parameters())
    ]


def with_texts(
    engine: Engine, scored: Sequence[ScoredText]
) -> Iterator[tuple[ScoredText, str | None]]:
    """Yield each prediction with its text; None if that was deleted in the meantime."""
    for start in range(0, len(scored), BATCH):
        batch = scored[start : start + BATCH]
        with engine.connect() as connection:
            rows = connection.execute(TEXTS, {"ids": [row.job_id for row in batch]})
            texts = {row.id: row.text for row in rows}
        for row in batch:
            yield row, texts.get(row.job_id)
