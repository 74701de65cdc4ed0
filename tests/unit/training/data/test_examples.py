import csv
import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from training.data.examples import Example, check_examples, read_examples
from training.errors import DataInvalid

ROWS = [{"text": f"text number {n}", "label": n % 2} for n in range(60)]
Rows = Iterable[dict[str, object]]


def write_csv(path: Path, rows: Rows) -> Path:
    rows = list(rows)
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_jsonl(path: Path, rows: Rows) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_parquet(path: Path, rows: Rows) -> Path:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)
    return path


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("data.csv", write_csv),
        ("data.csv.gz", write_csv),
        ("data.jsonl", write_jsonl),
        ("data.parquet", write_parquet),
    ],
)
def test_every_format_gives_the_same_examples(
    tmp_path: Path, name: str, write: Callable[[Path, Rows], Path]
) -> None:
    rows = [*ROWS, {"text": "two\nlines, and a comma", "label": 1}]
    examples = read_examples(write(tmp_path / name, rows))
    assert examples == [Example(str(row["text"]), int(str(row["label"]))) for row in rows]


def test_columns_are_read_by_their_configured_names(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "d.csv", [{"body": r["text"], "spam": r["label"]} for r in ROWS])
    assert read_examples(path, "body", "spam")[1] == Example("text number 1", 1)


def test_empty_texts_are_left_out_and_nul_is_replaced(tmp_path: Path) -> None:
    rows = [*ROWS, {"text": " \n", "label": 1}, {"text": None, "label": 0}]
    path = write_jsonl(tmp_path / "d.jsonl", [*rows, {"text": "a\0b", "label": 0}])
    examples = read_examples(path)
    assert len(examples) == len(ROWS) + 1
    assert examples[-1].text == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([{"body": "a", "label": 1}] * 60, "no column 'text'; its columns are: body, label."),
        ([{"text": "a", "class": 1}] * 60, "no column 'label'; its columns are: text, class."),
        ([*ROWS, {"text": "a", "label": "spam"}], "row 61 has the label 'spam'; labels are 0 or 1"),
        ([{"text": f"t {n}", "label": 1} for n in range(60)], "contains only texts labelled 1"),
        (ROWS[:10], "contains 10 labelled texts; training needs at least 50"),
        ([{"text": " ", "label": n % 2} for n in range(60)], "contains no non-empty text"),
    ],
)
def test_invalid_data_is_reported_in_one_sentence(
    tmp_path: Path, rows: list[dict[str, object]], sentence: str
) -> None:
    with pytest.raises(DataInvalid) as caught:
        check_examples(read_examples(write_csv(tmp_path / "d.csv", rows)), "d.csv")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
