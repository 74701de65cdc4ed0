import uuid
from datetime import UTC, datetime, timedelta

import pytest

from plumbline.cli.commands.label import (
    batches,
    contradicting,
    skipped_row,
    table_format,
    without_unlabelled,
)
from plumbline.cli.label_counts import LabelCounts, SkippedRow
from plumbline.cli.label_rows import FileLabel, JobName, LabelRow
from plumbline.errors import FileUnreadable
from plumbline.files import Format, InvalidRow
from storage.jobs.labels import LabelEntry, LabelOutcome

ONE, TWO = uuid.UUID(int=1), uuid.UUID(int=2)
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def row(line: int, job: uuid.UUID, label: str = "1") -> LabelRow:
    return LabelRow(line, JobName(job), LabelEntry(job, label, "ann"))


def test_repeated_job_starts_a_new_batch() -> None:
    first, second, again = row(2, ONE), row(3, TWO), row(5, ONE)
    invalid = InvalidRow(4, "invalid")
    assert list(batches([first, second, invalid, again])) == [[first, second, invalid], [again]]
    assert list(batches([invalid, invalid, invalid], size=2)) == [[invalid, invalid], [invalid]]
    assert list(batches([])) == []


def test_row_is_skipped_with_a_reason() -> None:
    others, keyed = uuid.UUID(int=4), uuid.UUID(int=5)
    outcome = LabelOutcome(
        unknown=frozenset([ONE, keyed]),
        refused=frozenset([others]),
        unusable={TWO: ["ham", "spam"]},
    )
    assert skipped_row(row(2, others), outcome) == SkippedRow(
        "refused",
        2,
        f"the job {others} is of a source that belongs to others",
        job=JobName(others),
    )
    assert skipped_row(row(2, ONE), outcome) == SkippedRow(
        "unknown", 2, f"there is no job {ONE}", job=JobName(ONE)
    )
    name = JobName(keyed, "k-7", "shop")
    assert skipped_row(LabelRow(2, name, LabelEntry(keyed, "1", "ann")), outcome) == SkippedRow(
        "unknown", 2, "there is no job with the key 'k-7' of the source 'shop'", job=name
    )
    assert skipped_row(row(3, TWO, "Spam"), outcome) == SkippedRow(
        "unusable", 3, "its label 'Spam' is neither 0 nor 1 nor ham nor spam", job=JobName(TWO)
    )
    assert skipped_row(InvalidRow(4, "it is not JSON"), outcome) == SkippedRow(
        "unusable", 4, "it is not JSON"
    )
    assert skipped_row(row(2, uuid.UUID(int=3)), outcome) is None
    unscored = LabelOutcome(unusable={TWO: []})
    assert skipped_row(row(2, TWO, "x"), unscored) == SkippedRow(
        "unusable",
        2,
        "its label 'x' is neither 0 nor 1; class names are accepted once the job is scored",
        job=JobName(TWO),
    )


def test_rows_that_nobody_labelled_are_counted_and_left_out() -> None:
    counts, labelled = LabelCounts(), FileLabel(2, "1", "x")
    rows = [FileLabel(3, "", ""), labelled, InvalidRow(4, "invalid")]
    assert list(without_unlabelled(rows, counts)) == rows[1:]
    assert counts.unlabelled == 1


def test_line_that_replaces_a_label_of_the_same_run_is_contradictory() -> None:
    outcome = LabelOutcome(changed=2, replaced={ONE: NOON, TWO: NOON - timedelta(days=1)})
    batch = [row(2, ONE), row(3, TWO), InvalidRow(4, "invalid"), row(5, uuid.UUID(int=3))]
    assert contradicting(batch, outcome, NOON - timedelta(seconds=1)) == [2]


def test_labels_need_a_format_with_columns() -> None:
    assert table_format("a.csv.gz", None) is Format.CSV
    assert table_format("-", Format.JSONL) is Format.JSONL
    for file, format in (("-", None), ("a.txt", None), ("a.csv", Format.TEXT)):
        with pytest.raises(FileUnreadable, match="Labels need columns"):
            table_format(file, format)
