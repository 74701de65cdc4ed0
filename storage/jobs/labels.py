"""What texts truly were, told after they were scored: written as it comes, read to learn from."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, text

from plumbline_client.identity import invalid_reason

STREAMED_ROWS = 1_000
# Far above any name of a class; what is longer is no label.
LONGEST_LABEL = 500

# One statement for a whole batch. `said` is taken as a name only where it is neither 0 nor 1, and
# by the names of the version that scored the job; `before` is as it was, since a statement sees
# none of its own changes.
ADD = text("""
WITH said AS (
    SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:sources AS text[]), CAST(:labels AS text[]))
        AS said (job_id, source, said)
), meant AS (
    SELECT said.job_id, said.source, jobs.id IS NOT NULL AS known,
           coalesce(versions.labels, '{}') AS names,
           CASE WHEN said IN ('0', '1') THEN CAST(said AS int)
                ELSE array_position(versions.labels, said) - 1 END AS label
    FROM said
    LEFT JOIN plumbline.jobs AS jobs ON jobs.id = said.job_id
    LEFT JOIN plumbline.predictions AS live ON live.job_id = jobs.id AND live.role = 'live'
    LEFT JOIN plumbline.model_versions AS versions ON versions.model = live.model
), written AS (
    INSERT INTO plumbline.labels (job_id, source, label)
    SELECT job_id, source, label FROM meant
    WHERE known AND label IS NOT NULL
    ORDER BY job_id, source
    ON CONFLICT (job_id, source) DO UPDATE
    SET label = excluded.label, labelled_at = excluded.labelled_at
)
SELECT meant.job_id, meant.known, meant.names, meant.label, before.label AS before
FROM meant LEFT JOIN plumbline.labels AS before USING (job_id, source)
""")

# Of several sources the one that spoke last is believed.
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
class Entry:
    """`source` says that the job's text was `label`: "0", "1", or a name the job's version has."""

    job_id: uuid.UUID
    label: str
    source: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the entries: `known` had said the same before, `changed` something else.

    `unusable` has for each job whose label says nothing the names its version would understand.
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


def add(connection: Connection, entries: Sequence[Entry]) -> Outcome:
    """Write what can be written. Of two entries of one job and source the last one counts."""
    unique = {(entry.job_id, entry.source): entry for entry in entries}.values()
    rows = connection.execute(
        ADD,
        {
            "ids": [entry.job_id for entry in unique],
            "sources": [entry.source for entry in unique],
            "labels": [_sayable(entry.label) for entry in unique],
        },
    ).all()
    usable = [row for row in rows if row.known and row.label is not None]
    return Outcome(
        accepted=sum(row.before is None for row in usable),
        changed=sum(row.before is not None and row.before != row.label for row in usable),
        known=sum(row.before == row.label for row in usable),
        unknown=frozenset(row.job_id for row in rows if not row.known),
        unusable={row.job_id: row.names for row in rows if row.known and row.label is None},
    )


def labelled_texts(
    connection: Connection, since: datetime | None = None, job_source: str | None = None
) -> Iterator[LabelledText]:
    """Each text that is still kept with its newest label, of those said at or after `since`.

    From a cursor on the server: memory does not grow with the rows.
    """
    rows = connection.execution_options(stream_results=True, max_row_buffer=STREAMED_ROWS).execute(
        LABELLED, {"since": since, "job_source": job_source}
    )
    for row in rows:
        yield LabelledText(*row)


def _sayable(label: str) -> str | None:
    """A label PostgreSQL can hold; of what it cannot, no version's name is made."""
    return label if invalid_reason(label, LONGEST_LABEL) is None else None
