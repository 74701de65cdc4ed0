import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from plumbline.cli.commands.label import (
    LabelColumns,
    LabelCounts,
    LabelRow,
    SkippedRow,
    batches,
    check_source,
    job_id_parser,
    parse_rows,
    skipped_row,
    table_format,
)
from plumbline.errors import FileUnreadable, OptionInvalid
from plumbline.files import Format, InvalidRow, Row, TextFile
from plumbline.settings import Settings
from plumbline_client.errors import SourceInvalid
from plumbline_client.identity import keyed_id
from storage.jobs.labels import LabelEntry, LabelOutcome

SETTINGS = Settings(source="shop")
ONE, TWO = uuid.UUID(int=1), uuid.UUID(int=2)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        *((1, "1"), (0.0, "0"), (True, "1"), ("spam", "spam"), ("0", "0"), (2, "2"), (0.5, "0.5")),
        *((Decimal("1.00"), "1"), (b"spam", "spam"), ("1.0", "1.0")),
    ],
)
def test_label_may_be_a_number_or_a_name(label: Any, expected: str) -> None:
    columns = LabelColumns("label", "job_id")
    assert columns.parse_row(3, {"label": label, "job_id": "x"}) == Row(3, expected, "x")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"job_id": "x"}, "it has no 'label'"),
        ({"label": 1}, "it has no 'job_id'"),
        ({"label": None, "job_id": "x"}, "its 'label' is null, not a string"),
        ({"label": float("nan"), "job_id": "x"}, "its 'label' is NaN, not a string"),
        ({"label": [1], "job_id": "x"}, "its 'label' is a list, not a string"),
        ({"label": 1, "job_id": ""}, "its key 'job_id' is empty"),
    ],
)
def test_row_without_a_label_or_a_job_is_invalid(values: dict[str, Any], reason: str) -> None:
    assert LabelColumns("label", "job_id").parse_row(3, values) == InvalidRow(3, reason)


def test_parquet_labels_of_any_type_are_read(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"key": [1, 2, 3], "label": [1.0, 0.0, None], "more": ["a", "b", "c"]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    with TextFile(str(tmp_path / "a.parquet"), None, LabelColumns("label", "key")) as rows:
        assert list(rows) == [
            Row(1, "1", "1"),
            Row(2, "0", "2"),
            InvalidRow(3, "its 'label' is null, not a string"),
        ]


def test_key_needs_a_source_and_an_id_does_not() -> None:
    assert job_id_parser(None, None, SETTINGS)(f" {ONE} ") == ONE
    assert job_id_parser("id", None, SETTINGS)("7") == keyed_id("shop", "7")
    assert job_id_parser("id", "mail", SETTINGS)("7") == keyed_id("mail", "7")
    with pytest.raises(OptionInvalid, match="--source needs --key-column"):
        job_id_parser(None, "mail", SETTINGS)
    with pytest.raises(SourceInvalid, match=r"^--source is empty\.$"):
        job_id_parser("id", "", SETTINGS)
    with pytest.raises(SourceInvalid, match=r"^--by has a NUL"):
        check_source("--by", "a\0")


def test_invalid_id_or_key_makes_its_row_invalid() -> None:
    rows = [Row(2, " spam ", str(ONE)), Row(3, "spam", "x" * 600), InvalidRow(4, "it is not JSON")]
    assert list(parse_rows(rows, job_id_parser(None, None, SETTINGS), "ann")) == [
        LabelRow(2, LabelEntry(ONE, "spam", "ann")),
        InvalidRow(3, f"'{'x' * 40}' is not a job id"),
        InvalidRow(4, "it is not JSON"),
    ]
    (invalid,) = parse_rows(rows[1:2], job_id_parser("id", None, SETTINGS), "ann")
    assert invalid == InvalidRow(3, "its key has 600 characters, and at most 500 are accepted")


def test_repeated_job_starts_a_new_batch() -> None:
    first, second, again = (
        LabelRow(line, LabelEntry(job, "1", "ann")) for line, job in ((2, ONE), (3, TWO), (5, ONE))
    )
    invalid = InvalidRow(4, "invalid")
    assert list(batches([first, second, invalid, again])) == [[first, second, invalid], [again]]
    assert list(batches([invalid, invalid, invalid], size=2)) == [[invalid, invalid], [invalid]]
    assert list(batches([])) == []


def test_row_is_skipped_with_a_reason() -> None:
    others = uuid.UUID(int=4)
    outcome = LabelOutcome(
        unknown=frozenset([ONE]), refused=frozenset([others]), unusable={TWO: ["ham", "spam"]}
    )
    assert skipped_row(LabelRow(2, LabelEntry(others, "1", "ann")), outcome) == SkippedRow(
        "refused", 2, f"job {others} is of a source that belongs to others"
    )
    assert skipped_row(LabelRow(2, LabelEntry(ONE, "1", "ann")), outcome) == SkippedRow(
        "unknown", 2, f"there is no job {ONE}"
    )
    assert skipped_row(LabelRow(3, LabelEntry(TWO, "Spam", "ann")), outcome) == SkippedRow(
        "unusable", 3, "its label 'Spam' is neither 0 nor 1 nor ham nor spam"
    )
    assert skipped_row(InvalidRow(4, "it is not JSON"), outcome) == SkippedRow(
        "unusable", 4, "it is not JSON"
    )
    assert skipped_row(LabelRow(2, LabelEntry(uuid.UUID(int=3), "1", "ann")), outcome) is None
    unscored = LabelOutcome(unusable={TWO: []})
    assert skipped_row(LabelRow(2, LabelEntry(TWO, "x", "ann")), unscored) == SkippedRow(
        "unusable",
        2,
        "its label 'x' is neither 0 nor 1; class names are accepted once the job is scored",
    )


def test_every_row_is_counted() -> None:
    counts = LabelCounts()
    unusable = [SkippedRow("unusable", line, "invalid") for line in range(2, 5)]
    for _ in range(3):
        counts.add(
            LabelOutcome(accepted=4, changed=2, known=1),
            [
                SkippedRow("unknown", 1, "which job?"),
                SkippedRow("refused", 5, "whose job?"),
                *unusable,
            ],
        )
    assert counts.counts() == {
        "accepted": 12,
        "changed": 6,
        "known": 3,
        "unknown": 3,
        "refused": 3,
        "unusable": 9,
    }
    assert counts.errors.count == 15
    assert counts.errors.first[:2] == [(1, "which job?"), (5, "whose job?")]


def test_labels_need_a_format_with_columns() -> None:
    assert table_format("a.csv.gz", None) is Format.CSV
    assert table_format("-", Format.JSONL) is Format.JSONL
    for file, format in (("-", None), ("a.txt", None), ("a.csv", Format.TEXT)):
        with pytest.raises(FileUnreadable, match="Labels need columns"):
            table_format(file, format)
