"""Labelled texts as a file for training, which the next retraining removes once it is old."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from plumbline.atomic_file import replacing, translate_write_errors
from plumbline.private_files import create_folder
from storage.jobs.labelled_texts import LabelledText, LeftOut, LeftOutReason

EXPORT_LIFETIME = timedelta(days=7)
EXPORT_TIME = "%Y%m%dT%H%M%S.%fZ"
# Also matches the partial file of an export that was killed.
EXPORT_NAME = re.compile(r"labels-(\d{8}T\d{6}\.\d{6}Z)\.jsonl.*")


@dataclass(frozen=True, slots=True)
class LabelTask:
    """The model that the labels are for, and its negative and positive class."""

    name: str
    labels: tuple[str, str]


@dataclass(frozen=True, slots=True)
class ExportColumns:
    """The names of the columns, and how the two labels are written.

    A `source` of "" leaves that column out.
    """

    text: str = "text"
    label: str = "label"
    source: str = "source"
    values: tuple[int | str, int | str] = (0, 1)

    def row(self, labelled: LabelledText) -> dict[str, object]:
        source = {self.source: labelled.source} if self.source else {}
        return source | {self.text: labelled.text, self.label: self.values[labelled.label]}


@dataclass(frozen=True, slots=True)
class LabelExport:
    """A file of labelled texts, and its number of texts per class."""

    path: Path
    negative: int
    positive: int

    def sentence(self, task: LabelTask) -> str:
        texts, (negative, positive) = self.negative + self.positive, task.labels
        return (
            f"{texts:,} labelled texts of {task.name}, {self.negative:,} {negative} and "
            f"{self.positive:,} {positive}, are in {self.path}."
        )


def left_out_sentence(left_out: LeftOut, task: LabelTask) -> str:
    """Return how many labels were left out, and why."""
    match left_out.reason:
        case LeftOutReason.OTHER_MODEL:
            reason = f"{left_out.model} scored their texts, which is not a version of {task.name}"
        case LeftOutReason.OTHER_CLASSES:
            theirs = ", ".join(left_out.classes or ()) or "not recorded"
            reason = (
                f"{left_out.model} scored their texts, whose classes are {theirs} and not "
                f"{', '.join(task.labels)}"
            )
        case LeftOutReason.UNSCORED:
            reason = "no version has scored their texts, so it is unknown what the labels mean"
        case LeftOutReason.TEXT_DELETED:
            reason = "their texts are deleted"
    return f"{left_out.labels:,} labels are left out: {reason}."


def export_labels(
    labelled: Iterable[LabelledText],
    folder: Path,
    columns: ExportColumns,
    time: datetime,
) -> LabelExport:
    """Write JSON lines that only this user can read, whole or not at all.

    The file is named after `time`. Raises FileUnwritable.
    """
    path = folder / f"labels-{time.astimezone(UTC):{EXPORT_TIME}}.jsonl"
    with translate_write_errors(path):
        create_folder(folder)
        with replacing(path, mode=0o600) as partial:
            counts = _write(labelled, partial, columns)
    return LabelExport(path, counts[0], counts[1])


def remove_old_exports(folder: Path, time: datetime) -> None:
    """Remove exports that are old at `time`, since nothing else does; they contain texts.

    The age follows from the name, which has a time of PostgreSQL's clock. An export from far in the
    future was named by a clock that was wrong.
    """
    for path in folder.glob("labels-*"):
        if (name := EXPORT_NAME.fullmatch(path.name)) is None:
            continue
        with suppress(OSError, ValueError):
            written_at = datetime.strptime(name[1], EXPORT_TIME).replace(tzinfo=UTC)
            if abs(time - written_at) > EXPORT_LIFETIME:
                path.unlink()


def _write(labelled: Iterable[LabelledText], path: Path, columns: ExportColumns) -> Counter[int]:
    counts: Counter[int] = Counter()
    with path.open("w", encoding="utf-8") as file:
        for row in labelled:
            # In ASCII, so that an --encoding for the files of --data does not change the texts.
            file.write(json.dumps(columns.row(row)) + "\n")
            counts[row.label] += 1
    return counts
