from pathlib import Path

import pytest

from training.data.data_report import DataReport
from training.data.examples import DataSource
from training.data.labelled_files import file_names, read_labelled_files
from training.errors import DataInvalid


def test_files_of_the_same_name_are_distinguished_by_their_folder() -> None:
    paths = [Path("/data/sms/data.csv.gz"), Path("/data/mail/data.csv.gz"), Path("labels.jsonl")]
    assert file_names(paths) == ["sms/data.csv.gz", "mail/data.csv.gz", "labels.jsonl"]
    assert file_names([Path("data.csv"), Path("more/data.csv")]) == ["data.csv", "more/data.csv"]


def test_a_file_that_is_named_twice_has_one_name() -> None:
    assert file_names([Path("a.csv"), Path("a.csv")]) == ["a.csv", "a.csv"]


def test_examples_have_their_file_line_and_source(tmp_path: Path) -> None:
    rows = "".join(f"text {n},{n % 2},shop\n" for n in range(30))
    (tmp_path / "a.csv").write_text("text,label,Source\n" + rows)
    lines = [f'{{"text": "line {n}", "label": {n % 2}, "source": null}}' for n in range(30)]
    (tmp_path / "b.jsonl").write_text("\n".join(lines))
    paths = [tmp_path / "a.csv", tmp_path / "b.jsonl"]
    examples = read_labelled_files(paths, DataSource(), DataReport())
    assert [(e.file, e.line, e.source) for e in (examples[0], examples[-1])] == [
        ("a.csv", 2, "shop"),
        ("b.jsonl", 30, ""),
    ]
    without = read_labelled_files(paths, DataSource(source_column=""), DataReport())
    assert {example.source for example in without} == {""}


def test_files_are_checked_together(tmp_path: Path) -> None:
    for name, label in (("a.csv", 0), ("b.csv", 1)):
        rows = "".join(f"{name} {n},{label}\n" for n in range(30))
        (tmp_path / name).write_text(f"text,label\n{rows}")
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    assert len(read_labelled_files(paths, DataSource(), DataReport())) == 60
    with pytest.raises(DataInvalid, match="training needs at least 50"):
        read_labelled_files(paths[:1], DataSource(), DataReport())
