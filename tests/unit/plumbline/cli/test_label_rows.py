import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from plumbline.cli.label_rows import (
    FileLabel,
    JobName,
    LabelColumns,
    LabelRow,
    check_source,
    job_namer,
    parse_rows,
)
from plumbline.errors import OptionInvalid
from plumbline.files import InvalidRow, Problem, TextFile
from plumbline.labels import LabelValues
from plumbline_client.errors import SourceInvalid
from plumbline_client.identity import keyed_id
from storage.jobs.labels import LabelEntry
from storage.states import Sampling

ONE = uuid.UUID(int=1)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        *((1, "1"), (0.0, "0"), (True, "1"), ("spam", "spam"), ("0", "0"), (2, "2"), (0.5, "0.5")),
        *((Decimal("1.00"), "1"), (b"spam", "spam"), ("1.0", "1.0")),
    ],
)
def test_label_may_be_a_number_or_a_name(label: Any, expected: str) -> None:
    values = {"label": label, "job_id": "x"}
    assert LabelColumns().parse_row(3, values) == FileLabel(3, expected, "x")


@pytest.mark.parametrize("label", [None, float("nan"), "", " \t", b""])
def test_row_without_a_label_is_not_labelled_yet(label: Any) -> None:
    values = {"label": label, "job_id": "", "sampling": "?"}
    assert LabelColumns().parse_row(3, values) == FileLabel(3, "", "")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"job_id": "x"}, "it has no 'label'"),
        ({"label": 1}, "it has no 'job_id'"),
        ({"label": [1], "job_id": "x"}, "its 'label' is a list, not a string"),
        ({"label": 1, "job_id": ""}, "its key 'job_id' is empty"),
        (
            {"label": 1, "job_id": "x", "sampling": "every third"},
            "its 'sampling' is 'every third', which is none of random, uncertain, unfamiliar",
        ),
    ],
)
def test_row_that_names_no_job_or_another_sampling_is_invalid(
    values: dict[str, Any], reason: str
) -> None:
    assert LabelColumns().parse_row(3, values) == InvalidRow(3, reason)


@pytest.mark.parametrize(
    ("column", "expected"), [(" Random", Sampling.RANDOM), ("", None), (None, None)]
)
def test_sampling_is_an_optional_column(column: Any, expected: Sampling | None) -> None:
    values = {"label": "1", "job_id": "x", " Sampling": column}
    assert LabelColumns().parse_row(3, values) == FileLabel(3, "1", "x", expected)
    assert LabelColumns(sampling="").parse_row(3, values) == FileLabel(3, "1", "x")


@pytest.mark.parametrize(
    ("positive", "negative", "label", "expected"),
    [
        (["spam"], [], " SPAM", "1"),
        (["spam"], [], "ok", "0"),
        (["4"], [], 4.0, "1"),
        (["4"], [], 1, "0"),
        (["0"], [], "0.0", "1"),
        ([], ["ham"], "smishing", "1"),
        (["spam", "smishing"], ["ham"], "smishing", "1"),
    ],
)
def test_options_name_the_values_of_a_class(
    positive: list[str], negative: list[str], label: Any, expected: str
) -> None:
    columns = LabelColumns(values=LabelValues.parse(positive, negative))
    assert columns.parse_row(3, {"label": label, "job_id": "x"}) == FileLabel(3, expected, "x")


def test_value_that_no_option_names_is_not_another_spelling_of_a_class() -> None:
    columns = LabelColumns(values=LabelValues.parse(["spam"], ["ham"]))
    row = columns.parse_row(3, {"label": "1", "job_id": "x"})
    assert row == InvalidRow(3, "its label '1' is neither ham nor spam")
    assert isinstance(row, InvalidRow) and row.problem is Problem.LABEL


def test_parquet_labels_of_any_type_are_read(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"key": [1, 2, 3], "label": [1.0, 0.0, None], "more": ["a", "b", "c"]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    with TextFile(str(tmp_path / "a.parquet"), None, LabelColumns("label", "key")) as rows:
        assert list(rows) == [FileLabel(1, "1", "1"), FileLabel(2, "0", "2"), FileLabel(3, "", "")]


# As LibreOffice and Excel save a sample: a byte order mark, another delimiter, an empty row.
SPREADSHEET = (
    "\ufeffjob_id;text;label;sampling\r\n"
    f'{ONE};"say ""hi"";\r\nnow";spam;random\r\n'
    ";;;\r\n"
    f"{ONE};'=1+1;;random\r\n"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("delimiter", [";", "\t", ","])
def test_file_that_a_spreadsheet_saved_is_read(
    tmp_path: Path, encoding: str, delimiter: str
) -> None:
    content = SPREADSHEET.removeprefix("\ufeff" if encoding == "utf-16" else "")
    (tmp_path / "a.csv").write_bytes(content.replace(";", delimiter).encode(encoding))
    with TextFile(str(tmp_path / "a.csv"), None, LabelColumns()) as rows:
        assert list(rows) == [
            FileLabel(2, "spam", str(ONE), Sampling.RANDOM),
            FileLabel(5, "", ""),
        ]


def test_key_needs_a_source_and_an_id_does_not() -> None:
    assert job_namer(None, None, "shop")(f" {ONE} ") == JobName(ONE)
    assert job_namer("id", None, "shop")("7") == JobName(keyed_id("shop", "7"), "7", "shop")
    assert job_namer("id", "mail", "shop")("7") == JobName(keyed_id("mail", "7"), "7", "mail")
    with pytest.raises(OptionInvalid, match="--source needs --key-column"):
        job_namer(None, "mail", "shop")
    with pytest.raises(SourceInvalid, match=r"^--source is empty\.$"):
        job_namer("id", "", "shop")
    with pytest.raises(SourceInvalid, match=r"^--by has a NUL"):
        check_source("--by", "a\0")


def test_job_is_called_what_the_file_calls_it() -> None:
    assert str(JobName(ONE)) == f"job {ONE}"
    assert str(JobName(ONE, "k-7", "shop")) == "job with the key 'k-7' of the source 'shop'"
    assert str(JobName(ONE, "k" * 200, "a\x1b")) == (
        f"job with the key '{'k' * 100}'... of the source 'a\\x1b'"
    )


def test_invalid_id_or_key_makes_its_row_invalid() -> None:
    rows = [
        FileLabel(2, " spam ", str(ONE), Sampling.RANDOM),
        FileLabel(3, "spam", "x" * 600),
        InvalidRow(4, "it is not JSON"),
    ]
    assert list(parse_rows(rows, job_namer(None, None, "shop"), "ann")) == [
        LabelRow(2, JobName(ONE), LabelEntry(ONE, "spam", "ann", Sampling.RANDOM)),
        InvalidRow(3, f"'{'x' * 40}' is not a job id"),
        InvalidRow(4, "it is not JSON"),
    ]
    (invalid,) = parse_rows(rows[1:2], job_namer("id", None, "shop"), "ann")
    assert invalid == InvalidRow(3, "its key has 600 characters, and at most 500 are accepted")
