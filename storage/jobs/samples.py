"""Samples of scored texts for people to label: drawn at random, or the most useful ones first.

It reads what the role `plumbline_reader` may read.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, TextClause, text

from storage.states import Role, Sampling
from storage.unfamiliarity import UNFAMILIARITY

STREAMED_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """Which scored texts to draw, and how many; None sets no condition.

    `size` is per named source, per source of all if `per_source`, otherwise in total. `model` None
    means every version with the live version's name. `since` and `until` (exclusive) refer to the
    acceptance. The same seed draws the same sample from the same rows.
    """

    size: int
    by: Sampling
    seed: int = 0
    sources: Sequence[str] = ()
    per_source: bool = False
    model: str | None = None
    decision: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    include_labelled: bool = False

    def parameters(self) -> dict[str, object]:
        return {
            "size": self.size,
            "seed": str(self.seed),
            "sources": list(self.sources) or None,
            "per_source": self.per_source or bool(self.sources),
            "model": self.model,
            "decision": self.decision,
            "since": self.since,
            "until": self.until,
            "include_labelled": self.include_labelled,
        }


@dataclass(frozen=True, slots=True)
class SampledText:
    """One text to label, with its live prediction. `unfamiliarity` is None if it is not known."""

    job_id: uuid.UUID
    source: str
    key: str | None
    text: str
    predicted_label: str
    probability: float
    confidence: float
    decision: str
    unfamiliarity: float | None
    model: str
    scored_at: datetime


# Texts that somebody may label now: scored, still stored, of the live model's task. A text of a
# random sample is drawn among all others, whatever else they were labelled for; without those, the
# sample would not stand for the rest.
_CANDIDATES = """
SELECT results.job_id, results.source,
       md5(CAST(:seed AS text) || ':' || CAST(results.job_id AS text)) AS draw,
       {strength} AS strength, {same_text} AS same_text
FROM plumbline.results
JOIN plumbline.predictions AS live
  ON live.job_id = results.job_id AND live.role = '{role}'
WHERE results.text IS NOT NULL
  AND (CAST(:sources AS text[]) IS NULL OR results.source = ANY (CAST(:sources AS text[])))
  AND (CAST(:decision AS text) IS NULL OR results.decision = :decision)
  AND (CAST(:since AS timestamptz) IS NULL OR results.created_at >= :since)
  AND (CAST(:until AS timestamptz) IS NULL OR results.created_at < :until)
  AND CASE WHEN CAST(:model AS text) IS NOT NULL THEN results.model = :model
           ELSE coalesce(split_part(results.model, '/', 1) = (
               SELECT split_part(model, '/', 1) FROM plumbline.deployments ORDER BY id DESC LIMIT 1
           ), true) END
  AND (CAST(:include_labelled AS boolean) OR NOT EXISTS (
      SELECT FROM plumbline.labels WHERE labels.job_id = results.job_id {labelled}))
"""

# Ties are broken by the draw. A text that was submitted more than once is chosen once.
_SAMPLE = """
WITH candidates AS ({candidates}), ordered AS (
    SELECT job_id, source, row_number() OVER (
        PARTITION BY CASE WHEN CAST(:per_source AS boolean) THEN source END
        ORDER BY strength DESC, draw) AS position
    FROM ({distinct}) AS candidates
    WHERE strength IS NOT NULL
), chosen AS MATERIALIZED (
    SELECT job_id, position FROM ordered WHERE position <= :size
)
SELECT job_id, results.source, key, text, results.label AS predicted_label,
       results.probability, results.confidence, results.decision, {unfamiliarity} AS unfamiliarity,
       results.model, results.scored_at
FROM chosen
JOIN plumbline.results USING (job_id)
JOIN plumbline.predictions AS live USING (job_id)
WHERE live.role = '{role}'
  -- PostgreSQL cannot know how few texts are chosen, and would read all of them otherwise.
  AND results.job_id = ANY (ARRAY(SELECT job_id FROM chosen))
  AND live.job_id = ANY (ARRAY(SELECT job_id FROM chosen))
ORDER BY position, results.source
"""
_DISTINCT = """
SELECT DISTINCT ON (CASE WHEN CAST(:per_source AS boolean) THEN source END, same_text) *
FROM candidates
WHERE CAST(:include_labelled AS boolean) OR same_text NOT IN (
    SELECT md5(text) FROM plumbline.results JOIN plumbline.labels USING (job_id)
    WHERE text IS NOT NULL)
ORDER BY CASE WHEN CAST(:per_source AS boolean) THEN source END, same_text, strength DESC, draw
"""


def _statement(by: Sampling) -> TextClause:
    strengths = {
        Sampling.RANDOM: "0",
        Sampling.UNCERTAIN: "-results.confidence",
        Sampling.UNFAMILIAR: UNFAMILIARITY,
    }
    is_random = by is Sampling.RANDOM
    candidates = _CANDIDATES.format(
        strength=strengths[by],
        same_text="NULL" if is_random else "md5(results.text)",
        labelled=f"AND labels.sampling = '{Sampling.RANDOM}'" if is_random else "",
        role=Role.LIVE,
    )
    return text(
        _SAMPLE.format(
            candidates=candidates,
            distinct="SELECT * FROM candidates" if is_random else _DISTINCT,
            unfamiliarity=UNFAMILIARITY,
            role=Role.LIVE,
        )
    )


SAMPLES = {by: _statement(by) for by in Sampling}


def draw(connection: Connection, request: SampleRequest) -> Iterator[SampledText]:
    """Yield the sample: the first texts of it are a smaller sample of the same kind.

    The rows come from a server-side cursor, so memory does not grow with their number.
    """
    rows = connection.execution_options(stream_results=True, max_row_buffer=STREAMED_ROWS).execute(
        SAMPLES[request.by], request.parameters()
    )
    for row in rows:
        yield SampledText(*row)
