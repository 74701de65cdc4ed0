import csv
import io
import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest

from plumbline.cli.label_rows import FileLabel, LabelColumns
from plumbline.cli.output import exports
from plumbline.cli.output.exports import RESULTS
from plumbline.cli.output.sample_layout import sample_layout
from plumbline.errors import FileUnwritable
from plumbline.files import TextFile
from plumbline_client.results import Result
from storage.jobs.samples import SampledText
from storage.states import Sampling
from tests.results import AT, result


def results(count: int) -> Iterator[Result]:
    return (result(number) for number in range(count))


def test_json_is_one_document_for_any_number_of_results() -> None:
    for count in (0, 1, 3):
        file = io.StringIO()
        exports.write_json(results(count), file, RESULTS)
        assert len(json.loads(file.getvalue())["results"]) == count


def test_each_json_line_has_every_column() -> None:
    file = io.StringIO()
    assert exports.write(results(2), "jsonl", file, RESULTS) == 2
    rows = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [row["job_id"][-1] for row in rows] == ["0", "1"]
    assert list(rows[0]) == [*(field.name for field in fields(Result)), "review_reason"]
    assert rows[0]["text"] == 'a "b",\nc'


def test_csv_can_be_read_back() -> None:
    file = io.StringIO()
    assert exports.write(results(2), "csv", file, RESULTS) == 2
    rows = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert rows[1]["job_id"] == str(uuid.UUID(int=1))
    assert rows[1]["text"] == 'a "b",\nc'
    assert rows[1]["notes"] == "nul_replaced,surrogate_replaced"
    assert rows[1]["created_at"] == AT.isoformat()
    assert rows[1]["key"] == ""


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_reason_for_a_review_is_exported(tmp_path: Path, format: str) -> None:
    unread = result(decision="review", notes=["mostly_unread"])
    path = tmp_path / f"a.{format}"
    exports.save([unread], format, path, RESULTS)
    if format == "parquet":
        (row,) = pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()
    else:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        (row,) = map(json.loads, lines) if format == "jsonl" else csv.DictReader(lines)
    assert row["review_reason"] == unread.review_reason
    assert "more than half" in row["review_reason"]


@pytest.mark.parametrize("count", [0, 5])
def test_parquet_can_be_read_back(
    tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(exports, "ROW_GROUP", 2)
    assert exports.save(results(count), "parquet", tmp_path / "a.parquet", RESULTS) == count
    rows = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert len(rows) == count
    for row in rows:
        assert (row["created_at"], row["probability"], row["key"]) == (AT, 0.25, None)


def test_failed_export_leaves_the_existing_file(tmp_path: Path) -> None:
    def interrupted() -> Iterator[Result]:
        yield from results(3)
        raise OSError("the connection was lost")

    (tmp_path / "a.csv").write_text("the old export", encoding="utf-8")
    with pytest.raises(FileUnwritable):
        exports.save(interrupted(), "csv", tmp_path / "a.csv", RESULTS)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == "the old export"


def test_missing_folder_is_reported_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        FileUnwritable, match="cannot be written: No such file or directory; check the path"
    ):
        exports.save(results(1), "csv", tmp_path / "absent" / "a.csv", RESULTS)


@pytest.mark.parametrize("format", exports.FORMATS)
@pytest.mark.parametrize("earlier_mode", [None, 0o644, 0o400])
def test_only_its_user_may_read_an_export_whatever_the_umask(
    tmp_path: Path, format: str, earlier_mode: int | None
) -> None:
    path = tmp_path / f"a.{format}"
    if earlier_mode is not None:
        path.touch(earlier_mode)
    previous = os.umask(0)
    try:
        exports.save(results(1), format, path, RESULTS)
    finally:
        os.umask(previous)
    assert path.stat().st_mode & 0o777 == 0o600 & (earlier_mode or 0o777)


FORMULAS = [
    "=1+1",
    "+1",
    "-1+cmd|' /C calc'!A0",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\tx",
    "\rx",
    "  =1",
    "\n=1",
    '"=1"',
    "'=1",
    "\u200b=1",
    "\ufeff=1",
    "\xa0=1",
    "\uff1d1+1",
    "-",
]


@pytest.mark.parametrize("column", ["source", "key", "text", "error", "label", "model"])
def test_no_cell_of_a_csv_file_is_a_formula(column: str) -> None:
    file = io.StringIO()
    written = [replace(result(0), **{column: formula}) for formula in FORMULAS]
    exports.write(written, "csv", file, RESULTS)
    rows = list(csv.DictReader(io.StringIO(file.getvalue(), newline="")))
    assert [row[column] for row in rows] == ["'" + formula for formula in FORMULAS]


def test_notes_are_no_formula_either_and_numbers_stay_numbers() -> None:
    file = io.StringIO()
    exports.write([replace(result(0), notes=["=1"], probability=-0.5)], "csv", file, RESULTS)
    (row,) = csv.DictReader(io.StringIO(file.getvalue()))
    assert (row["notes"], row["probability"]) == ("'=1", "-0.5")


def test_a_terminal_shows_csv_without_its_controls() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    exports.write([replace(result(0), text="\x1b[31m\u202e")], "csv", terminal, RESULTS, raw=True)
    assert r"\x1b[31m\u202e" in terminal.getvalue() and "\x1b" not in terminal.getvalue()


@pytest.mark.parametrize("format", exports.FORMATS)
def test_what_is_exported_is_read_back_by_label(tmp_path: Path, format: str) -> None:
    if format == "parquet":
        pytest.importorskip("pyarrow.parquet")
    texts = [
        "a\rb",
        'say "x"',
        'a\n"b',
        "\ufeff",
        "a;b\tc|d,e",
        "\u2028\x85\x1a",
        "sep=;",
        '"',
        "\r\n.",
        "=1+1",
        "'-1",
    ]
    written = [replace(result(number), text=text) for number, text in enumerate(texts)]
    path = tmp_path / f"a.{format}"
    assert exports.save(written, format, path, RESULTS, raw=True) == len(texts)
    for column, values in (
        ("label", [row.label for row in written]),
        ("text", texts),
    ):
        with TextFile(str(path), None, LabelColumns(column, "job_id")) as rows:
            assert [(row.label, row.job) for row in rows if isinstance(row, FileLabel)] == [
                (value, str(row.job_id)) for value, row in zip(values, written, strict=True)
            ]


SAMPLED = SampledText(
    uuid.UUID(int=1), "shop", "@k", "=1+1", "spam", 0.9, 0.9, "positive", 0.5, "m/1.0.0", AT
)


@pytest.mark.parametrize("format", exports.FORMATS)
def test_sample_has_an_empty_label_and_is_read_back(tmp_path: Path, format: str) -> None:
    if format == "parquet":
        pytest.importorskip("pyarrow.parquet")
    path = tmp_path / f"a.{format}"
    assert exports.save([SAMPLED], format, path, sample_layout(Sampling.RANDOM)) == 1
    with TextFile(str(path), None, LabelColumns()) as rows:
        (empty,) = rows
    assert isinstance(empty, FileLabel) and empty.label == ""
    with TextFile(str(path), None, LabelColumns("predicted_label")) as rows:
        (row,) = rows
    assert isinstance(row, FileLabel)
    assert (row.label, row.job, row.sampling) == ("spam", str(SAMPLED.job_id), Sampling.RANDOM)


def test_no_cell_of_a_sample_is_a_formula() -> None:
    file = io.StringIO()
    exports.write([SAMPLED], "csv", file, sample_layout(Sampling.UNCERTAIN))
    (row,) = csv.DictReader(io.StringIO(file.getvalue()))
    assert (row["text"], row["key"], row["label"], row["sampling"]) == (
        "'=1+1",
        "'@k",
        "",
        "uncertain",
    )
