import csv
import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.files import ReadOptions
from plumbline.labels import LabelValues
from training.data.data_report import DataReport
from training.data.examples import (
    DataSource,
    Example,
    check_examples,
    find_contradictions,
    read_examples,
    read_texts,
)
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
        ([*ROWS, {"text": "a", "label": "eggs"}], "line 62: its label 'label' is 'eggs', which is"),
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


def test_empty_texts_are_counted(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "d.jsonl", [*ROWS, {"text": None, "label": 0}])
    report = DataReport()
    assert len(DataSource().read(path, report)) == len(ROWS)
    assert report.left_out.document() == {"refused_text": {"count": 1, "lines": [f"{path}:61"]}}


def messages(count: int = 120) -> list[tuple[str, int]]:
    return [
        (f"{'WIN cash prize call' if n % 3 == 0 else 'see you at'} {n}", int(n % 3 == 0))
        for n in range(count)
    ]


def lines(form: str) -> str:
    return "".join(form.format(text=text, label=label) for text, label in messages())


READABLE = {
    "bom.csv": "\ufefftext,label\r\n" + lines("{text},{label}\r\n"),
    "excel.csv": "sep=;\r\nlabel;text\r\n" + lines("{label};{text}\r\n"),
    "tab.tsv": "label\ttext\n" + lines("{label}\t{text}\n"),
    "blank.jsonl": lines('{{"text": "{text}", "label": {label}}}\n\n'),
    "strings.jsonl": lines('{{"text": "{text}", "label": "{label}"}}\n'),
    "float.csv": "text,label\n" + lines("{text},{label}.0\n"),
    "bool.csv": "text,label\n"
    + lines("{text},{label}\n").replace(",1", ",True").replace(",0", ",False"),
    "names.csv": "text,label\n"
    + lines("{text},{label}\n").replace(",1", ",Spam").replace(",0", ",ham"),
}


@pytest.mark.parametrize("name", READABLE)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_every_way_to_write_labelled_texts_is_read(
    tmp_path: Path, name: str, encoding: str
) -> None:
    content = READABLE[name]
    path = tmp_path / name
    path.write_bytes(
        (content.lstrip("\ufeff") if encoding != "utf-8" else content).encode(encoding)
    )
    examples = read_examples(path)
    assert [(example.text, example.label) for example in examples] == messages()


@pytest.mark.parametrize("write", [write_csv, write_jsonl, write_parquet])
@pytest.mark.parametrize("labels", [(0, 1), (0.0, 1.0), (False, True), ("ham", "spam")])
def test_a_label_is_spelled_alike_in_every_format(
    tmp_path: Path, write: Callable[[Path, Rows], Path], labels: tuple[object, object]
) -> None:
    suffix = {write_csv: "csv", write_jsonl: "jsonl", write_parquet: "parquet"}[write]
    rows = [{"text": text, "label": labels[label]} for text, label in messages()]
    examples = read_examples(write(tmp_path / f"d.{suffix}", rows))
    assert [(example.text, example.label) for example in examples] == messages()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        (
            "cut.csv",
            "label,text\n" + lines("{label},{text}, and the rest of it\n"),
            "120 rows that cannot be used (lines 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 110 more: it "
            "has 3 values for 2 columns",
        ),
        (
            "quote.csv",
            "label,text\n" + lines("{label},{text}\n").replace(",WIN cash prize call 60", ',"WIN'),
            "a row that cannot be used (line 62: the quote that opens in this line is not closed)",
        ),
        (
            "split.csv",
            "text,label,split\n" + lines("{text},{label},holdout\n") + "a,1,fold 1\n",
            "and 110 more: its 'split' is 'holdout', which is none of train, validation, test; "
            "line 122: its 'split' is 'fold 1'",
        ),
        (
            "nan.jsonl",
            lines('{{"text": "{text}", "label": {label}}}\n') + '{"text": NaN, "label": 1}\n',
            "line 121: it is not JSON: NaN is not a JSON value",
        ),
        ("doubled.csv", "text,label,text\na,1,b\n", "has 2 columns named 'text'"),
        ("plain.txt", "a\n", "has no columns; use a .csv, .jsonl or .parquet file."),
        ("zip.csv", "PK\x03\x04", "is a ZIP archive, such as .xlsx or .docx, not text."),
        ("d.csv.gz", "not gzip", "it is not gzip data"),
        ("d.parquet", "not parquet", "cannot be read: "),
        ("d.xml", "<a/>", "is not .csv"),
    ],
)
def test_file_that_is_not_strict_is_refused_in_one_sentence(
    tmp_path: Path, name: str, content: str, sentence: str
) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8", newline="")
    with pytest.raises(DataInvalid) as caught:
        read_examples(path)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match=r"nothing\.csv cannot be read: No such file"):
        read_examples(tmp_path / "nothing.csv")


def test_known_splits_are_kept_and_none_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    rows = [
        f"{text},{label},{'Test' if n % 5 == 0 else 'Train'}\n"
        for n, (text, label) in enumerate(messages())
    ]
    path.write_text("text,label,split\n" + "".join(rows), encoding="utf-8")
    examples = read_examples(path)
    assert sum(example.split == "test" for example in examples) == 24
    assert sum(example.split == "train" for example in examples) == 96
    assert len(read_texts(path)) == 96
    ignoring = DataSource(split_column="").read(path)
    assert not any(example.split for example in ignoring)


def test_invalid_rows_are_left_out_and_counted_on_request(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text('text,label\na,1\nb,c,0\n"d,1\ne,eggs\nf,0\n', encoding="utf-8")
    report = DataReport()
    assert DataSource(skip_invalid=True).read(path, report) == [Example("a", 1), Example("f", 0)]
    assert report.left_out.counts == {
        "wrong_number_of_values": 1,
        "open_quote": 1,
        "unknown_label": 1,
    }
    assert DataSource(skip_invalid=True).read_texts(path, report) == ["a", "e", "f"]


def test_file_of_which_all_rows_are_left_out_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("label,text\n1,a, b\n0,c, d\n", encoding="utf-8")
    with pytest.raises(DataInvalid, match=r"no row that can be used \(lines 2, 3: it has 3 values"):
        DataSource(skip_invalid=True).read(path)


def test_class_names_are_those_of_the_model(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("text,label\na,Bad\nb,good\nc,0\n", encoding="utf-8")
    examples = DataSource(labels=("bad", "good")).read(path)
    assert [example.label for example in examples] == [0, 1, 0]


def test_values_of_a_class_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("text;label\r\na;4\r\n;\r\nb;0.0\r\nc;2\r\n", encoding="utf-8-sig")
    source = DataSource(values=LabelValues.parse(["4"], []))
    assert source.read(path) == [Example("a", 1), Example("b", 0), Example("c", 0)]
    source = DataSource(values=LabelValues.parse(["4"], ["0"]))
    with pytest.raises(DataInvalid, match="is '2', which is neither 0 nor 4"):
        source.read(path)
    path.write_text("text,label\na,4\nb,\n", encoding="utf-8")
    with pytest.raises(DataInvalid, match=r"line 3: its label 'label' is empty"):
        DataSource(values=LabelValues.parse(["4"], [])).read(path)


def test_encoding_and_delimiter_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("text^label\nGrüße^1\nKöln^0\n", encoding="latin-1")
    with pytest.raises(DataInvalid, match="--encoding"):
        read_examples(path)
    source = DataSource(options=ReadOptions.parse("latin-1", "^"))
    assert source.read(path) == [Example("Grüße", 1), Example("Köln", 0)]


def test_contradictory_labels_are_counted() -> None:
    examples = [Example("A  b", 0), Example("a b", 1), Example("a b", 1), Example("c", 0)]
    assert find_contradictions(examples) == [(examples[0], examples[1])]
    assert find_contradictions(examples[1:]) == []


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["csv", "csv.gz", "jsonl", "parquet"]),
    st.lists(
        st.sampled_from(
            [
                b"text,label,split\n",
                b'{"text": "a", "label": 1}\n',
                b'"',
                b",",
                b"\n",
                b"a",
                b"1",
                b"train",
                b"\xe9",
                b"\x00",
                b"PAR1",
                b"\x1f\x8b\x08",
                b"\xff\xfe",
                b"\xc3\xa9",
            ]
        ),
        max_size=30,
    ),
    st.booleans(),
)
def test_any_bytes_are_examples_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, parts: list[bytes], skip: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / f"fuzz.{suffix}"
    path.write_bytes(b"".join(parts))
    try:
        examples = DataSource(skip_invalid=skip).read(path)
    except DataInvalid as error:
        assert "\n" not in str(error) and str(error).endswith(".")
    else:
        assert all(example.label in (0, 1) and example.text.strip() for example in examples)
