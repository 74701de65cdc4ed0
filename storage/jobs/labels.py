"""True labels, which arrive after the scores: written as they arrive, read for training."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, text

from plumbline_client.identity import invalid_reason

STREAMED_ROWS = 1_000
# Far above any class name; a longer value is not a label.
LONGEST_LABEL = 500

# One statement for a whole batch. A value other than "0" and "1" is a class name of the version
# that scored the job, or another spelling of 0 or 1. `before` is the label before this statement,
# because a statement does not see its own changes.
ADD = text("""
WITH entries AS (
    SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:sources AS text[]), CAST(:labels AS text[]),
                         CAST(:spelled AS int[]))
        AS entries (job_id, source, value, spelled)
), resolved AS (
    SELECT entries.job_id, entries.source, jobs.id IS NOT NULL AS known,
           coalesce(versions.labels, '{}') AS names,
           CASE WHEN value IN ('0', '1') THEN CAST(value AS int)
                ELSE coalesce(array_position(versions.labels, value) - 1, spelled) END AS label
    FROM entries
    LEFT JOIN plumbline.jobs AS jobs ON jobs.id = entries.job_id
    LEFT JOIN plumbline.predictions AS live ON live.job_id = jobs.id AND live.role = 'live'
    LEFT JOIN plumbline.model_versions AS versions ON versions.model = live.model
), written AS (
    INSERT INTO plumbline.labels (job_id, source, label)
    SELECT job_id, source, label FROM resolved
    WHERE known AND label IS NOT NULL
    ORDER BY job_id, source
    ON CONFLICT (job_id, source) DO UPDATE
    SET label = excluded.label, labelled_at = excluded.labelled_at
)
SELECT resolved.job_id, resolved.known, resolved.names, resolved.label, before.label AS before
FROM resolved LEFT JOIN plumbline.labels AS before USING (job_id, source)
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
    """A label that `source` gives a job: "0", "1", or a class name of the job's version.

    `spelled` is 0 or 1 if the label is another spelling of it, unless a class has that name.
    """

    job_id: uuid.UUID
    label: str
    source: str
    spelled: int | None = field(default=None, compare=False)


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


def add(connection: Connection, entries: Sequence[LabelEntry]) -> LabelOutcome:
    """Write the usable labels. The last of several entries for one job and source wins."""
    unique = {(entry.job_id, entry.source): entry for entry in entries}.values()
    rows = connection.execute(
        ADD,
        {
            "ids": [entry.job_id for entry in unique],
            "sources": [entry.source for entry in unique],
            "labels": [_storable(entry.label) for entry in unique],
            "spelled": [entry.spelled for entry in unique],
        },
    ).all()
    usable = [row for row in rows if row.known and row.label is not None]
    return LabelOutcome(
        accepted=sum(row.before is None for row in usable),
        changed=sum(row.before is not None and row.before != row.label for row in usable),
        known=sum(row.before == row.label for row in usable),
        unknown=frozenset(row.job_id for row in rows if not row.known),
        unusable={row.job_id: row.names for row in rows if row.known and row.label is None},
    )


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


def _storable(label: str) -> str | None:
    """Return None for a label that PostgreSQL cannot store; no class name is such a value."""
    return label if invalid_reason(label, LONGEST_LABEL) is None else None
