"""Contradictory labels: the same text with both labels, in different jobs of one task."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

EXAMPLES = 5

# Of several labels of a job, the newest counts. Texts are compared by their hashes, which outlive
# them.
CONTRADICTIONS = text("""
WITH written AS (
    SELECT DISTINCT coalesce(jobs.text_hash, jobs.text_sha256) AS hash
    FROM plumbline.labels JOIN plumbline.jobs AS jobs ON jobs.id = labels.job_id
    WHERE labels.source = :labeller AND labels.labelled_at >= :since
), newest AS (
    SELECT DISTINCT ON (job_id) job_id, label FROM plumbline.labels
    ORDER BY job_id, labelled_at DESC, source
), contradictory AS (
    SELECT (array_agg(jobs.id ORDER BY jobs.id) FILTER (WHERE newest.label = 0))[1] AS negative,
           (array_agg(jobs.id ORDER BY jobs.id) FILTER (WHERE newest.label = 1))[1] AS positive
    FROM newest JOIN plumbline.jobs AS jobs ON jobs.id = newest.job_id
    LEFT JOIN plumbline.predictions AS live ON live.job_id = jobs.id AND live.role = 'live'
    WHERE coalesce(jobs.text_hash, jobs.text_sha256) IN (SELECT hash FROM written)
    GROUP BY coalesce(jobs.text_hash, jobs.text_sha256), split_part(live.model, '/', 1)
    HAVING min(newest.label) <> max(newest.label)
)
SELECT count(*) OVER () AS texts, negative.id, negative.source, negative.key,
       positive.id, positive.source, positive.key
FROM contradictory
JOIN plumbline.jobs AS negative ON negative.id = contradictory.negative
JOIN plumbline.jobs AS positive ON positive.id = contradictory.positive
ORDER BY negative.id LIMIT :examples
""")


@dataclass(frozen=True, slots=True)
class LabelledJob:
    job_id: uuid.UUID
    source: str
    key: str | None


@dataclass(frozen=True, slots=True)
class Contradictions:
    """How many texts are labelled 0 as well as 1, and two jobs (0, 1) of each of the first ones."""

    texts: int
    examples: list[tuple[LabelledJob, LabelledJob]]


def find_contradictions(connection: Connection, labeller: str, since: datetime) -> Contradictions:
    """Return the contradictions in which a label takes part that `labeller` gave since then."""
    parameters = {"labeller": labeller, "since": since, "examples": EXAMPLES}
    rows = [tuple(row) for row in connection.execute(CONTRADICTIONS, parameters)]
    examples = [(LabelledJob(*row[1:4]), LabelledJob(*row[4:7])) for row in rows]
    return Contradictions(rows[0][0] if rows else 0, examples)
