"""True labels, which arrive after the scores: written as they arrive, read for training."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, text

STREAMED_ROWS = 1_000
# Far above any class name; a longer value is not a label.
LONGEST_LABEL = 500
LITERALS = {"0": 0, "1": 1}

# Returns 0 or 1 for a label that may be one of the class names, or None.
LabelParser = Callable[[str, Sequence[str]], int | None]

# The class names of the version that scored each job, for what is not "0" or "1".
CLASS_NAMES = text("""
SELECT live.job_id, versions.labels
FROM plumbline.predictions AS live
JOIN plumbline.model_versions AS versions ON versions.model = live.model
WHERE live.job_id = ANY(CAST(:ids AS uuid[])) AND live.role = 'live'
""")

# One statement for a whole batch. `before` is the label before this statement, because a statement
# does not see its own changes.
ADD = text("""
WITH entries AS (
    SELECT entries.*, jobs.id IS NOT NULL AS known
    FROM unnest(CAST(:ids AS uuid[]), CAST(:sources AS text[]), CAST(:labels AS int[]))
        AS entries (job_id, source, label)
    LEFT JOIN plumbline.jobs AS jobs ON jobs.id = entries.job_id
), written AS (
    INSERT INTO plumbline.labels (job_id, source, label)
    SELECT job_id, source, label FROM entries
    WHERE known AND label IS NOT NULL
    ORDER BY job_id, source
    ON CONFLICT (job_id, source) DO UPDATE
    SET label = excluded.label, labelled_at = excluded.labelled_at
)
SELECT entries.job_id, entries.known, entries.label, before.label AS before
FROM entries LEFT JOIN plumbline.labels AS before USING (job_id, source)
""")

# If several sources labelled a job, the newest label wins.
LABELLED = text("""
SELECT jobs.text, newest.label, newest.job_id
FROM (
    SELECT DISTINCT ON (job_id) job_id, label FROM plumbline.labels
    WHERE CAST(:since AS timestamptz) IS NULL OR labelled_at >= :since
    ORDER BY job_id, labelled_at DESC, source
) AS newest
JOIN plumbline.jobs AS jobs ON jobs.id = newest.job_id
WHERE jobs.text IS NOT NULL
  AND (CAST(:job_source AS text) IS NULL OR jobs.source = :job_source)
ORDER BY newest.job_id
""")


@dataclass(frozen=True, slots=True)
class LabelEntry:
    """A label, as it is written, that `source` gives a job."""

    job_id: uuid.UUID
    label: str
    source: str


@dataclass(frozen=True, slots=True)
class LabelOutcome:
    """The result of adding labels.

    `accepted` labels are new, `changed` ones replace a different label of the same source, and
    `known` ones repeat it. `unknown` are ids without a job. `unusable` maps each job whose label
    was not understood to the class names of its version.
    """

    accepted: int = 0
    changed: int = 0
    known: int = 0
    unknown: frozenset[uuid.UUID] = frozenset()
    unusable: Mapping[uuid.UUID, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LabelledText:
    """`label` is 1 for the positive class."""

    text: str
    label: int
    job_id: uuid.UUID


def add(
    connection: Connection, entries: Sequence[LabelEntry], parse_label: LabelParser
) -> LabelOutcome:
    """Write the usable labels. The last of several entries for one job and source wins.

    "0" and "1" are labels whatever the classes are called; `parse_label` reads all others.
    """
    unique = {(entry.job_id, entry.source): entry for entry in entries}.values()
    names = _class_names(connection, [e.job_id for e in unique if e.label not in LITERALS])
    labels = [
        LITERALS.get(entry.label, parse_label(entry.label, names.get(entry.job_id, ())))
        for entry in unique
    ]
    rows = connection.execute(
        ADD,
        {
            "ids": [entry.job_id for entry in unique],
            "sources": [entry.source for entry in unique],
            "labels": labels,
        },
    ).all()
    usable = [row for row in rows if row.known and row.label is not None]
    unusable = [row.job_id for row in rows if row.known and row.label is None]
    return LabelOutcome(
        accepted=sum(row.before is None for row in usable),
        changed=sum(row.before is not None and row.before != row.label for row in usable),
        known=sum(row.before == row.label for row in usable),
        unknown=frozenset(row.job_id for row in rows if not row.known),
        unusable={job_id: names.get(job_id, []) for job_id in unusable},
    )


def _class_names(
    connection: Connection, job_ids: Sequence[uuid.UUID]
) -> dict[uuid.UUID, list[str]]:
    if not job_ids:
        return {}
    rows = connection.execute(CLASS_NAMES, {"ids": list(job_ids)})
    return {row.job_id: list(row.labels) for row in rows}


def labelled_texts(
    connection: Connection, since: datetime | None = None, job_source: str | None = None
) -> Iterator[LabelledText]:
    """Yield each text that is still stored with its newest label given at or after `since`.

    The rows come from a server-side cursor, so memory does not grow with their number.
    """
    rows = connection.execution_options(stream_results=True, max_row_buffer=STREAMED_ROWS).execute(
        LABELLED, {"since": since, "job_source": job_source}
    )
    for row in rows:
        yield LabelledText(*row)
