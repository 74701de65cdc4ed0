"""True labels, which arrive after the scores, are written as they arrive."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, TextClause, text

from storage import labellers
from storage.errors import LabellerRefused
from storage.sources import BOUND, CLOSED
from storage.states import Sampling

# Far above any class name; a longer value is not a label.
LONGEST_LABEL = 500
LITERALS = {"0": 0, "1": 1}
# `recorded_by` of labels that a message of an ordinary list brought. It is followed by the source
# if the message came in a source's own list; roles of PostgreSQL have a prefix too.
MESSAGE = "message"
ROLE_PREFIX = "role:"

# The newest label of a job, and whether its text was drawn at random: it stays in the random sample
# although somebody labels it again for another reason.
NEWEST_LABEL = f"""
SELECT (array_agg(labels.label ORDER BY labels.labelled_at DESC, labels.source))[1] AS label,
       coalesce(bool_or(labels.sampling = '{Sampling.RANDOM}'), false) AS random
FROM plumbline.labels AS labels WHERE labels.job_id = {{job_id}}
"""

# Returns 0 or 1 for a label that may be one of the class names, or None.
LabelParser = Callable[[str, Sequence[str]], int | None]

# The class names of the version that scored each job, for what is not "0" or "1".
CLASS_NAMES = text("""
SELECT live.job_id, versions.labels
FROM plumbline.predictions AS live
JOIN plumbline.model_versions AS versions ON versions.model = live.model
WHERE live.job_id = ANY(CAST(:ids AS uuid[])) AND live.role = 'live'
""")

# Who may label a job by its source, and what may be replaced. An ordinary list proves nothing about
# its author, so its messages replace only what such messages wrote.
ALLOWED_TO_SESSION = "plumbline.may_label(jobs.source)"
ALLOWED_TO_MESSAGE = f"""
    CASE WHEN CAST(:sender AS text) IS NULL
         THEN jobs.source NOT IN ({BOUND}) AND NOT {CLOSED}
         ELSE jobs.source = :sender OR EXISTS (
             SELECT FROM plumbline.labellers WHERE kind = 'source' AND grantee = :sender)
    END
"""
PROVEN = f"(CAST(:recorded_by AS text) IS DISTINCT FROM '{MESSAGE}')"


# A text of a random sample stays one, whatever else it is chosen for: without the texts that are
# uncertain as well, the sample would not stand for the others. A label without a sampling does not
# change how its text was chosen.
SAMPLING = f"""
    CASE WHEN '{Sampling.RANDOM}' IN (labels.sampling, excluded.sampling) THEN '{Sampling.RANDOM}'
         ELSE coalesce(excluded.sampling, labels.sampling) END
"""


def _add(allowed: str) -> TextClause:
    """Return one statement for a whole batch.

    `before` is the label before this statement, because a statement does not see its own changes.
    """
    return text(f"""
WITH entries AS (
    SELECT entries.*, jobs.id IS NOT NULL AS known, {allowed} AS allowed
    FROM unnest(CAST(:ids AS uuid[]), CAST(:sources AS text[]), CAST(:labels AS int[]),
                CAST(:samplings AS text[]))
        AS entries (job_id, source, label, sampling)
    LEFT JOIN plumbline.jobs AS jobs ON jobs.id = entries.job_id
), before AS (
    SELECT labels.job_id, labels.source, labels.label, labels.labelled_at,
           {PROVEN} OR coalesce(labels.recorded_by = :recorded_by, true) AS replaceable
    FROM plumbline.labels AS labels JOIN entries USING (job_id, source)
), written AS (
    INSERT INTO plumbline.labels AS labels (job_id, source, label, recorded_by, sampling)
    SELECT job_id, source, label,
           coalesce(CAST(:recorded_by AS text), '{ROLE_PREFIX}' || session_user), sampling
    FROM entries
    WHERE known AND allowed AND label IS NOT NULL
    ORDER BY job_id, source
    ON CONFLICT (job_id, source) DO UPDATE
    SET label = excluded.label, labelled_at = excluded.labelled_at,
        recorded_by = excluded.recorded_by, sampling = {SAMPLING}
    WHERE {PROVEN} OR coalesce(labels.recorded_by = excluded.recorded_by, true)
)
SELECT entries.job_id, entries.known, entries.label, before.label AS before, before.labelled_at,
       entries.allowed AND before.replaceable IS NOT false AS allowed
FROM entries LEFT JOIN before USING (job_id, source)
""")


ADD_BY_SESSION = _add(ALLOWED_TO_SESSION)
ADD_BY_MESSAGE = _add(ALLOWED_TO_MESSAGE)


@dataclass(frozen=True, slots=True)
class LabelEntry:
    """A label, as it is written, that `source` gives a job.

    `sampling` is how the text was chosen for labelling; None if unknown.
    """

    job_id: uuid.UUID
    label: str
    source: str
    sampling: Sampling | None = None


@dataclass(frozen=True, slots=True)
class Recorder:
    """Who writes labels: the session's user, or a message.

    `sender` is the bound source in whose list the message came; None for an ordinary list.
    """

    by_message: bool = False
    sender: str | None = None

    def recorded_by(self) -> str | None:
        """Return the value of the column; None stands for the session's user."""
        if not self.by_message:
            return None
        return MESSAGE if self.sender is None else f"{MESSAGE}:{self.sender}"


SESSION = Recorder()


@dataclass(frozen=True, slots=True)
class LabelOutcome:
    """The result of adding labels.

    `accepted` labels are new, `changed` ones replace a different label of the same source, and
    `known` ones repeat it. `unknown` are ids without a job. `refused` are jobs that the recorder
    may not label, or whose label under this name is somebody else's. `unusable` maps each job whose
    label was not understood to the class names of its version, and `replaced` each job whose label
    changed to the time of its earlier one.
    """

    accepted: int = 0
    changed: int = 0
    known: int = 0
    unknown: frozenset[uuid.UUID] = frozenset()
    refused: frozenset[uuid.UUID] = frozenset()
    unusable: Mapping[uuid.UUID, Sequence[str]] = field(default_factory=dict)
    replaced: Mapping[uuid.UUID, datetime] = field(default_factory=dict, compare=False)


def add(
    connection: Connection,
    entries: Sequence[LabelEntry],
    parse_label: LabelParser,
    recorder: Recorder = SESSION,
) -> LabelOutcome:
    """Write the usable labels. The last of several entries for one job and source wins.

    "0" and "1" are labels whatever the classes are called; `parse_label` reads all others. Raises
    LabellerRefused if the recorder may not use a labeller's name.
    """
    unique = {(entry.job_id, entry.source): entry for entry in entries}.values()
    _check_labellers(connection, {entry.source for entry in unique}, recorder)
    names = _class_names(connection, [e.job_id for e in unique if e.label not in LITERALS])
    labels = [
        LITERALS.get(entry.label, parse_label(entry.label, names.get(entry.job_id, ())))
        for entry in unique
    ]
    parameters = {
        "ids": [entry.job_id for entry in unique],
        "sources": [entry.source for entry in unique],
        "labels": labels,
        "samplings": [entry.sampling for entry in unique],
        "recorded_by": recorder.recorded_by(),
    }
    if recorder.by_message:
        rows = connection.execute(ADD_BY_MESSAGE, parameters | {"sender": recorder.sender}).all()
    else:
        rows = connection.execute(ADD_BY_SESSION, parameters).all()
    usable = [row for row in rows if row.known and row.allowed and row.label is not None]
    unusable = [row.job_id for row in rows if row.known and row.allowed and row.label is None]
    changed = [row for row in usable if row.before is not None and row.before != row.label]
    return LabelOutcome(
        accepted=sum(row.before is None for row in usable),
        changed=len(changed),
        known=sum(row.before == row.label for row in usable),
        unknown=frozenset(row.job_id for row in rows if not row.known),
        refused=frozenset(row.job_id for row in rows if row.known and not row.allowed),
        unusable={job_id: names.get(job_id, []) for job_id in unusable},
        replaced={row.job_id: row.labelled_at for row in changed},
    )


def _check_labellers(connection: Connection, names: set[str], recorder: Recorder) -> None:
    if not names:
        return
    if not recorder.by_message:
        name = labellers.refused_to_session(connection, names)
        cure = "--role and the role of this connection"
    else:
        name = labellers.refused_to_message(connection, names, recorder.sender)
        cure = "--source and the source in whose list the messages come"
    if name is not None:
        raise LabellerRefused(
            f"The labeller's name {name} belongs to somebody else; an operator allows it with "
            f"`plumbline labellers grant`, {cure}."
        )


def _class_names(
    connection: Connection, job_ids: Sequence[uuid.UUID]
) -> dict[uuid.UUID, list[str]]:
    if not job_ids:
        return {}
    rows = connection.execute(CLASS_NAMES, {"ids": list(job_ids)})
    return {row.job_id: list(row.labels) for row in rows}
