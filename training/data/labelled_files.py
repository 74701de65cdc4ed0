"""The labelled texts of all files of a run, with the name of the file that each comes from."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from training.data.data_report import DataReport
from training.data.examples import DataSource, Example, check_examples, find_contradictions
from training.data.sms_archive import is_sms_archive, read_sms_archive

log = logging.getLogger(__name__)


def read_labelled_files(
    paths: Sequence[Path], source: DataSource, report: DataReport
) -> list[Example]:
    """Read and check all files; log what is left out or contradictory.

    Raises DataInvalid. The files are checked together, because a single one may hold few texts or
    only one class.
    """
    examples: list[Example] = []
    for path, name in zip(paths, file_names(paths), strict=True):
        rows = read_sms_archive(path) if is_sms_archive(path) else source.read(path, report)
        examples += [replace(example, file=name) for example in rows]
    report.add_contradictions(
        [(_place(zero), _place(one)) for zero, one in find_contradictions(examples)]
    )
    report.values = source.values
    for sentence in report.sentences():
        log.warning(sentence)
    check_examples(examples, ", ".join(map(str, paths)))
    return examples


def file_names(paths: Sequence[Path]) -> list[str]:
    """Return a short name per file: its own, with as many folders as distinguish it from others."""
    names = []
    for path in paths:
        others = [other for other in paths if other != path]
        length = 1
        while any(other.parts[-length:] == path.parts[-length:] for other in others):
            length += 1
        names.append("/".join(path.parts[-length:]))
    return names


def _place(example: Example) -> str:
    """Return the line of the example, as data reports name it."""
    return f"{example.file}:{example.line}" if example.line else example.file
