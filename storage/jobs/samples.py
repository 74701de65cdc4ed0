"""Samples of scored texts for people to label: drawn at random, or the most useful ones first.

It reads what the role `plumbline_reader` may read.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import zip_longest

from sqlalchemy import Connection, TextClause, text

from storage.serving.newest import NEWEST_DEPLOYMENT
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
        # See _NEWEST_POOL.
        from_newest = self.by is not Sampling.RANDOM and self.until is None
        return {
            "size": self.size,
            "seed": str(self.seed),
            "point": str(uuid.UUID(hashlib.md5(str(self.seed).encode()).hexdigest())),
            "pool": max(RANDOM_POOL_ROWS if self.by is Sampling.RANDOM else POOL_ROWS, self.size),
            "model": self.model,
            "decision": self.decision,
            "since": None if from_newest else self.since,
            "newest_since": self.since if from_newest else None,
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


# The sample is chosen from so many texts, or from as many as it has if those are more: whatever the
# tables hold, no more is read. A random one only needs more so that all orders are equally likely.
POOL_ROWS = 5_000
RANDOM_POOL_ROWS = 300
# A text is not drawn again as an uncertain or unfamiliar one if one of the newest labels is its.
KNOWN_LABELS = 2_000

# The name of the live model, whose versions all do the same task.
TASK = text(f"SELECT split_part(model, '/', 1) FROM ({NEWEST_DEPLOYMENT}) AS newest")
# One probe of an index per source; DISTINCT would read every job.
SOURCES = text("""
WITH RECURSIVE names (source) AS (
    (SELECT source FROM plumbline.results ORDER BY source LIMIT 1)
    UNION ALL
    SELECT (SELECT results.source FROM plumbline.results
            WHERE results.source > names.source ORDER BY results.source LIMIT 1)
    FROM names WHERE names.source IS NOT NULL
)
SELECT source FROM names WHERE source IS NOT NULL
""")

# Texts that somebody may label now: scored, still stored, of the live model's task. A text of a
# random sample is drawn among all others, whatever else they were labelled for; without those, the
# sample would not stand for the rest.
_CANDIDATES = """
SELECT results.job_id, md5(CAST(:seed AS text) || ':' || CAST(results.job_id AS text)) AS draw,
       {strength} AS strength, {same_text} AS same_text
FROM plumbline.results
JOIN plumbline.predictions AS live
  ON live.job_id = results.job_id AND live.role = '{role}'
WHERE results.state = 'scored' AND results.text IS NOT NULL
  AND (CAST(:source AS text) IS NULL OR results.source = :source)
  AND (CAST(:decision AS text) IS NULL OR live.decision = :decision)
  AND (CAST(:since AS timestamptz) IS NULL OR results.created_at >= :since)
  AND (CAST(:until AS timestamptz) IS NULL OR results.created_at < :until)
  AND {of_model}
  AND (CAST(:include_labelled AS boolean) OR NOT EXISTS (
      -- Without OFFSET, PostgreSQL would read all labels for a few texts.
      SELECT FROM plumbline.labels WHERE labels.job_id = results.job_id {labelled} OFFSET 0))
"""

# Ids are random, so the texts that follow any point in their order are a random sample of all.
_RANDOM_POOL = """
({candidates} AND results.job_id >= CAST(:point AS uuid) ORDER BY results.job_id LIMIT :pool)
UNION ALL
({candidates} AND results.job_id < CAST(:point AS uuid) ORDER BY results.job_id LIMIT :pool)
LIMIT :pool
"""
# Without a bound at the other end, `since` is not compared in the form that the index on created_at
# has: PostgreSQL would read all texts since then by it, and not the newest ones by their scores. A
# text is scored after its acceptance, unless PostgreSQL's clock was set back.
_NEWEST_POOL = """
{candidates} AND {strength} IS NOT NULL
  AND (CAST(:newest_since AS timestamptz) IS NULL
       OR (coalesce(results.created_at >= :newest_since, true)
           AND {scored_at} >= CAST(:newest_since AS timestamptz) - interval '1 hour'))
ORDER BY {newest} DESC, results.job_id LIMIT :pool
"""


class Scope(StrEnum):
    """Whose texts a statement reads. Each has an index, with the newest texts at its end."""

    ALL = "all"
    MODEL = "model"
    SOURCE = "source"


# A job is scored when it is finished.
_NEWEST = {
    Scope.ALL: "live.scored_at",
    Scope.MODEL: "live.model DESC, live.scored_at",
    Scope.SOURCE: "results.finished_at",
}
_OF_MODEL = {
    Scope.ALL: "coalesce(split_part(live.model, '/', 1) = :task, true)",
    # See `storage.jobs.results.NEWEST_OF_MODEL`.
    Scope.MODEL: "(live.model, live.role, live.scored_at) BETWEEN (CAST(:model AS text), 'live', "
    "'-infinity') AND (CAST(:model AS text), 'live', 'infinity')",
    Scope.SOURCE: "CASE WHEN CAST(:model AS text) IS NOT NULL THEN live.model = :model "
    "ELSE coalesce(split_part(live.model, '/', 1) = :task, true) END",
}

# A text that was submitted more than once is chosen once.
_DISTINCT = """
SELECT DISTINCT ON (same_text) *
FROM pool
WHERE CAST(:include_labelled AS boolean) OR same_text NOT IN (
    SELECT md5(text) FROM (
        SELECT job_id FROM plumbline.labels ORDER BY labelled_at DESC LIMIT {known_labels}
    ) AS newest JOIN plumbline.results USING (job_id) WHERE text IS NOT NULL)
ORDER BY same_text, strength DESC, draw
"""
# Ties are broken by the draw.
_SAMPLE = """
WITH pool AS MATERIALIZED ({pool}), chosen AS MATERIALIZED (
    SELECT job_id, row_number() OVER (ORDER BY strength DESC, draw) AS position
    FROM ({distinct}) AS candidates
    ORDER BY strength DESC, draw LIMIT :size
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
ORDER BY position
"""


def _statement(by: Sampling, scope: Scope) -> TextClause:
    strengths = {
        Sampling.RANDOM: "0",
        Sampling.UNCERTAIN: "-live.confidence",
        Sampling.UNFAMILIAR: UNFAMILIARITY,
    }
    is_random = by is Sampling.RANDOM
    candidates = _CANDIDATES.format(
        strength=strengths[by],
        same_text="NULL" if is_random else "md5(results.text)",
        labelled=f"AND labels.sampling = '{Sampling.RANDOM}'" if is_random else "",
        of_model=_OF_MODEL[scope],
        role=Role.LIVE,
    )
    pool = (_RANDOM_POOL if is_random else _NEWEST_POOL).format(
        candidates=candidates,
        strength=strengths[by],
        newest=_NEWEST[scope],
        scored_at="results.finished_at" if scope is Scope.SOURCE else "live.scored_at",
    )
    return text(
        _SAMPLE.format(
            pool=pool,
            distinct="SELECT * FROM pool"
            if is_random
            else _DISTINCT.format(known_labels=KNOWN_LABELS),
            unfamiliarity=UNFAMILIARITY,
            role=Role.LIVE,
        )
    )


STATEMENTS = {(by, scope): _statement(by, scope) for by in Sampling for scope in Scope}


def draw(connection: Connection, request: SampleRequest) -> Iterator[SampledText]:
    """Yield the sample: the first texts of it are a smaller sample of the same kind.

    Uncertain and unfamiliar texts are those of the newest `POOL_ROWS` that meet the conditions. The
    rows come from a server-side cursor, so memory does not grow with their number, unless they are
    drawn per source.
    """
    parameters = request.parameters() | {"task": connection.execute(TASK).scalar_one_or_none()}
    if not request.per_source and not request.sources:
        yield from _draw(connection, request.by, parameters | {"source": None})
        return
    names = sorted(request.sources) or list(connection.execute(SOURCES).scalars())
    drawn = [list(_draw(connection, request.by, parameters | {"source": name})) for name in names]
    for texts in zip_longest(*drawn):
        yield from (each for each in texts if each is not None)


def _draw(
    connection: Connection, by: Sampling, parameters: Mapping[str, object]
) -> Iterator[SampledText]:
    scope = Scope.MODEL if parameters["model"] is not None else Scope.ALL
    if parameters["source"] is not None:
        scope = Scope.SOURCE
    statement = STATEMENTS[by, scope]
    options = {"stream_results": True, "max_row_buffer": STREAMED_ROWS}
    for row in connection.execute(statement, parameters, execution_options=options):
        yield SampledText(*row)
