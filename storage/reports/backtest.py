"""Scored texts for a backtest: their live predictions and newest labels, and what is left out."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, text

from storage.jobs.labels import NEWEST_LABEL
from storage.reports.text_samples import DRAWN, NEVER, count_texts, stratify
from storage.states import Role

# Of more texts, those that are left out are counted in a sample of as many.
EXACT_TEXTS = 2_000
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
    if they were never registered. With `estimated`, the number follows from a random sample.
    """

    source: str
    model: str
    classes: tuple[str, ...] | None
    texts: int
    estimated: bool = False


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

SAMPLED_LEFT_OUT = text(f"""
WITH {DRAWN}
SELECT drawn.stratum AS source, live.model,
       CASE WHEN {_OTHER_CLASSES} THEN coalesce(versions.labels, '{{}}') END AS classes,
       count(*) AS texts, max(drawn.texts) AS drawn
FROM drawn
CROSS JOIN LATERAL (SELECT text FROM plumbline.jobs WHERE id = drawn.id OFFSET 0) AS jobs
CROSS JOIN LATERAL (
    SELECT model FROM plumbline.predictions
    WHERE job_id = drawn.id AND role = '{Role.LIVE}' OFFSET 0) AS live
LEFT JOIN plumbline.model_versions AS versions ON versions.model = live.model
WHERE jobs.text IS NULL OR {_OTHER_CLASSES}
GROUP BY 1, 2, 3
""")

TEXTS = text("SELECT id, text FROM plumbline.jobs WHERE id = ANY(CAST(:ids AS uuid[]))")


def scored_texts(
    connection: Connection, selection: BacktestSelection, limit: int | None = None
) -> list[ScoredText]:
    """Return the live predictions whose texts are stored, in a fixed random order."""
    rows = connection.execute(SELECTED, selection.parameters() | {"limit": limit})
    return [ScoredText(*row) for row in rows]


def left_out_texts(
    connection: Connection, selection: BacktestSelection, exact_texts: int = EXACT_TEXTS
) -> list[LeftOutTexts]:
    """Return how many texts `scored_texts` leaves out, most first.

    If more than `exact_texts` were scored, these are estimates.
    """
    texts_of = count_texts(connection, selection.since)
    if selection.sources:
        texts_of = {name: texts_of[name] for name in selection.sources if name in texts_of}
    if sum(texts_of.values()) <= exact_texts:
        return [
            _left_out(row, row.texts)
            for row in connection.execute(LEFT_OUT, selection.parameters())
        ]
    strata = stratify(texts_of, {source: source for source in texts_of}, exact_texts)
    parameters = {
        "window_from": selection.since,
        "window_to": NEVER,
        "classes": list(selection.classes),
        **strata.parameters(),
    }
    rows = connection.execute(SAMPLED_LEFT_OUT, parameters)
    left_out = [
        _left_out(row, round(row.texts * texts_of[row.source] / row.drawn), estimated=True)
        for row in rows
    ]
    return sorted(left_out, key=lambda texts: (-texts.texts, texts.source, texts.model))


def _left_out(row: Any, texts: int, *, estimated: bool = False) -> LeftOutTexts:
    classes = None if row.classes is None else tuple(row.classes)
    return LeftOutTexts(row.source, row.model, classes, texts, estimated)


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
