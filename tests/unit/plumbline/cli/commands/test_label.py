import uuid
from pathlib import Path
from typing import Any

import pytest

from plumbline.cli.commands.label import (
    REASONS_SHOWN,
    LabelColumns,
    Missed,
    Said,
    Tally,
    batches,
    checked_source,
    job_of,
    said,
    table_format,
    why_not,
)
from plumbline.errors import FileUnreadable, OptionInvalid
from plumbline.files import BadRow, Format, Row, Texts
from plumbline.settings import Settings
from plumbline_client.errors import SourceInvalid
from plumbline_client.identity import keyed_id
from storage.jobs.labels import Entry, Outcome

SETTINGS = Settings(source="shop")
ONE, TWO = uuid.UUID(int=1), uuid.UUID(int=2)


@pytest.mark.parametrize(
    ("label", "expected"),
    [(1, "1"), (0.0, "0"), (True, "1"), ("spam", "spam"), ("0", "0"), (2, "2"), (0.5, "0.5")],
)
def test_a_label_may_be_a_number_or_a_name(label: Any, expected: str) -> None:
    columns = LabelColumns("label", "job_id")
    assert columns.pick(3, {"label": label, "job_id": "x"}) == Row(3, expected, "x")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"job_id": "x"}, "it has no 'label'"),
        ({"label": 1}, "it has no 'job_id'"),
        ({"label": None, "job_id": "x"}, "its 'label' is null, not a text"),
        ({"label": [1], "job_id": "x"}, "its 'label' is a list, not a text"),
        ({"label": 1, "job_id": ""}, "its key 'job_id' is empty"),
    ],
)
def test_a_row_without_a_label_or_a_job_is_bad(values: dict[str, Any], reason: str) -> None:
    assert LabelColumns("label", "job_id").pick(3, values) == BadRow(3, reason)


def test_parquet_labels_of_any_type_are_read(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"key": [1, 2, 3], "label": [1.0, 0.0, None], "more": ["a", "b", "c"]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    with Texts(str(tmp_path / "a.parquet"), None, LabelColumns("label", "key")) as rows:
        assert list(rows) == [
            Row(1, "1", "1"),
            Row(2, "0", "2"),
            BadRow(3, "its 'label' is null, not a text"),
        ]


def test_an_id_needs_no_source_and_a_key_has_one() -> None:
    assert job_of(None, None, SETTINGS)(f" {ONE} ") == ONE
    assert job_of("id", None, SETTINGS)("7") == keyed_id("shop", "7")
    assert job_of("id", "mail", SETTINGS)("7") == keyed_id("mail", "7")
    with pytest.raises(OptionInvalid, match="--source goes with --key-column"):
        job_of(None, "mail", SETTINGS)
    with pytest.raises(SourceInvalid, match=r"^--source is empty\.$"):
        job_of("id", "", SETTINGS)
    with pytest.raises(SourceInvalid, match=r"^--by has a NUL"):
        checked_source("--by", "a\0")


def test_an_id_or_a_key_that_is_none_costs_its_row() -> None:
    rows = [Row(2, " spam ", str(ONE)), Row(3, "spam", "x" * 600), BadRow(4, "it is not JSON")]
    assert list(said(rows, job_of(None, None, SETTINGS), "ann")) == [
        Said(2, Entry(ONE, "spam", "ann")),
        BadRow(3, f"'{'x' * 40}' is no job id"),
        BadRow(4, "it is not JSON"),
    ]
    (bad,) = said(rows[1:2], job_of("id", None, SETTINGS), "ann")
    assert bad == BadRow(3, "its key has 600 characters, and at most 500 are accepted")


def test_a_job_that_comes_again_opens_a_batch() -> None:
    first, second, again = (
        Said(line, Entry(job, "1", "ann")) for line, job in ((2, ONE), (3, TWO), (5, ONE))
    )
    bad = BadRow(4, "bad")
    assert list(batches([first, second, bad, again])) == [[first, second, bad], [again]]
    assert list(batches([bad, bad, bad], size=2)) == [[bad, bad], [bad]]
    assert list(batches([])) == []


def test_a_row_is_missed_for_a_reason() -> None:
    outcome = Outcome(unknown=frozenset([ONE]), unusable={TWO: ["ham", "spam"]})
    assert why_not(Said(2, Entry(ONE, "1", "ann")), outcome) == (
        "unknown",
        f"there is no job {ONE}",
    )
    assert why_not(Said(2, Entry(TWO, "Spam", "ann")), outcome) == (
        "unusable",
        "its label 'Spam' is neither 0 nor 1 nor ham nor spam",
    )
    assert why_not(Said(2, Entry(uuid.UUID(int=3), "1", "ann")), outcome) is None
    assert why_not(Said(2, Entry(TWO, "x", "ann")), Outcome(unusable={TWO: []})) == (
        "unusable",
        "its label 'x' is neither 0 nor 1; names are known once it is scored",
    )


def test_every_row_is_counted_and_the_first_reasons_are_kept() -> None:
    tally = Tally()
    missed = [Missed("unusable", line, "bad") for line in range(2, 5)]
    for _ in range(3):
        tally.add(Outcome(accepted=4, changed=2, known=1), [Missed("unknown", 1, "who?"), *missed])
    assert tally.counts() == {
        "accepted": 12,
        "changed": 6,
        "known": 3,
        "unknown": 3,
        "unusable": 9,
    }
    assert len(tally.reasons) == REASONS_SHOWN
    assert tally.reasons[:2] == [(1, "who?"), (2, "bad")]


def test_labels_need_columns() -> None:
    assert table_format("a.csv.gz", None) is Format.CSV
    assert table_format("-", Format.JSONL) is Format.JSONL
    for file, format in (("-", None), ("a.txt", None), ("a.csv", Format.TEXT)):
        with pytest.raises(FileUnreadable, match="Labels need columns"):
            table_format(file, format)
