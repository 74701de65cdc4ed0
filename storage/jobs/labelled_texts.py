"""Labelled texts to train on: those of one task, and how many others were left out and why."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, text

STREAMED_ROWS = 1_000


class LeftOutReason(StrEnum):
    """Why a label is not one of the selected texts' labels."""

    # A version of another model gave the job's live prediction.
    OTHER_MODEL = "other_model"
    # A version of the model did, but its classes were others, or in the other order.
    OTHER_CLASSES = "other_classes"
    # The job has no live prediction, so its label is of no known task.
    UNSCORED = "unscored"
    TEXT_DELETED = "text_deleted"


@dataclass(frozen=True, slots=True)
class LabelSelection:
    """Which labels to learn from. None sets no condition.

    `since` is when the label was given, `job_source` who submitted the text. `model_name` and
    `classes` (negative, positive) are those of the version whose prediction is the live one: a 1 is
    the positive class of that version, and means nothing to a model of another task.
    """

    since: datetime | None = None
    job_source: str | None = None
    model_name: str | None = None
    classes: Sequence[str] | None = None

    def parameters(self) -> dict[str, object]:
        return {
            "since": self.since,
            "job_source": self.job_source,
            "model_name": self.model_name,
            "classes": None if self.classes is None else list(self.classes),
        }


@dataclass(frozen=True, slots=True)
class LabelledText:
    """`label` is 1 for the positive class, `source` the submitter of the text."""

    text: str
    label: int
    job_id: uuid.UUID
    source: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Labels that were left out for one reason.

    `model` and `classes` are those of the version that scored the jobs; None if there is none, or
    none that was registered.
    """

    reason: LeftOutReason
    model: str | None
    classes: tuple[str, ...] | None
    labels: int


# If several labellers labelled a job, the newest label wins. The first reason that holds is the
# one, so that each label is counted once.
_NEWEST = f"""
SELECT jobs.text, newest.label, newest.job_id, jobs.source, live.model,
       versions.labels AS classes,
       CASE
       WHEN CAST(:model_name AS text) IS NULL AND CAST(:classes AS text[]) IS NULL THEN NULL
       WHEN live.job_id IS NULL THEN '{LeftOutReason.UNSCORED}'
       WHEN split_part(live.model, '/', 1) <> :model_name THEN '{LeftOutReason.OTHER_MODEL}'
       WHEN CAST(:classes AS text[]) IS NOT NULL
            AND versions.labels IS DISTINCT FROM CAST(:classes AS text[])
       THEN '{LeftOutReason.OTHER_CLASSES}'
       END AS other_task
FROM (
    SELECT DISTINCT ON (job_id) job_id, label FROM plumbline.labels
    WHERE CAST(:since AS timestamptz) IS NULL OR labelled_at >= :since
    ORDER BY job_id, labelled_at DESC, source
) AS newest
JOIN plumbline.jobs AS jobs ON jobs.id = newest.job_id
LEFT JOIN plumbline.predictions AS live ON live.job_id = jobs.id AND live.role = 'live'
LEFT JOIN plumbline.model_versions AS versions ON versions.model = live.model
WHERE CAST(:job_source AS text) IS NULL OR jobs.source = :job_source
"""

# Of labels that are left out, only the reason is read.
LABELLED = text(f"""
SELECT CASE WHEN other_task IS NULL THEN text END AS text, label, job_id, source,
       CASE WHEN other_task IS NOT NULL THEN other_task
            WHEN text IS NULL THEN '{LeftOutReason.TEXT_DELETED}' END AS reason, model, classes
FROM ({_NEWEST}) AS labelled
ORDER BY job_id
""")


class LabelledTexts:
    """The selected texts that are still stored, each with its newest label.

    The rows come from a server-side cursor, so memory does not grow with their number.
    """

    def __init__(self, connection: Connection, selection: LabelSelection | None = None) -> None:
        self._connection = connection
        self._selection = selection or LabelSelection()
        self._left_out: Counter[tuple[str, str | None, tuple[str, ...] | None]] = Counter()

    def __iter__(self) -> Iterator[LabelledText]:
        self._left_out.clear()
        options = {"stream_results": True, "max_row_buffer": STREAMED_ROWS}
        rows = self._connection.execute(
            LABELLED, self._selection.parameters(), execution_options=options
        )
        for text_, label, job_id, source, reason, model, classes in rows:
            if reason is None:
                yield LabelledText(text_, label, job_id, source)
            else:
                named = None if classes is None else tuple(classes)
                self._left_out[reason, model, named] += 1

    def left_out(self) -> list[LeftOut]:
        """Return how many labels of the time and source were left out, most first.

        They are counted while the texts are read.
        """
        counted = [
            LeftOut(LeftOutReason(reason), model, classes, labels)
            for (reason, model, classes), labels in self._left_out.items()
        ]
        return sorted(counted, key=lambda each: (-each.labels, each.reason, each.model or ""))
