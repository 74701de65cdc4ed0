import csv
import gzip
import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from training.data import sms_archive
from training.data.examples import (
    TEST,
    TRAIN,
    VALIDATION,
    Example,
    Splits,
    check,
    fingerprint,
    normalise,
    read,
    split,
    unique,
)
from training.data.sms_archive import is_archive, read_sms
from training.errors import DataUnusable

ROWS = [{"text": f"text number {n}", "label": n % 2} for n in range(60)]


def write_csv(path: Path, rows: Iterable[dict[str, object]]) -> Path:
    rows = list(rows)
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_jsonl(path: Path, rows: Iterable[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_parquet(path: Path, rows: Iterable[dict[str, object]]) -> Path:
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
def test_every_format_gives_the_same_examples(tmp_path: Path, name: str, write) -> None:
    rows = [*ROWS, {"text": "two\nlines, and a comma", "label": 1}]
    found = read(write(tmp_path / name, rows))
    assert found == [Example(str(row["text"]), int(str(row["label"]))) for row in rows]


def test_columns_go_by_the_names_given(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "d.csv", [{"body": r["text"], "spam": r["label"]} for r in ROWS])
    assert read(path, "body", "spam")[1] == Example("text number 1", 1)


def test_empty_texts_are_left_out_and_nul_is_replaced(tmp_path: Path) -> None:
    rows = [*ROWS, {"text": " \n", "label": 1}, {"text": None, "label": 0}]
    found = read(write_jsonl(tmp_path / "d.jsonl", [*rows, {"text": "a\0b", "label": 0}]))
    assert len(found) == len(ROWS) + 1
    assert found[-1].text == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([{"body": "a", "label": 1}] * 60, "no column 'text'; its columns are: body, label."),
        ([{"text": "a", "class": 1}] * 60, "no column 'label'; its columns are: text, class."),
        ([*ROWS, {"text": "a", "label": "spam"}], "row 61 has the label 'spam'; labels are 0 or 1"),
        ([{"text": f"t {n}", "label": 1} for n in range(60)], "holds only texts labelled 1"),
        (ROWS[:10], "holds 10 labelled texts, and at least 50 are needed"),
        ([{"text": " ", "label": n % 2} for n in range(60)], "holds no text that is not empty"),
    ],
)
def test_unusable_data_is_one_sentence(
    tmp_path: Path, rows: list[dict[str, object]], sentence: str
) -> None:
    with pytest.raises(DataUnusable) as caught:
        check(read(write_csv(tmp_path / "d.csv", rows)), "d.csv")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("d.jsonl", b'{"text": "a", "label": 1}\n{oops\n', "line 2 is not JSON"),
        ("d.jsonl", b"[1]\n", "line 1 is not a JSON object"),
        ("d.csv.gz", b"no gzip at all", "cannot be read"),
        ("d.csv.gz", gzip.compress(b"text,label\n" + b"a,0\n" * 9_999)[:-20], "cannot be read"),
        ("d.csv", b"text,label\n\xff\xfe,1\n", "cannot be read"),
        ("d.parquet", b"no parquet", "cannot be read"),
        ("d.xml", b"<a/>", "is not .csv, .csv.gz, .jsonl or .parquet"),
    ],
)
def test_an_unreadable_file_is_one_sentence(
    tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataUnusable, match=sentence):
        read(tmp_path / name)


def test_no_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataUnusable, match="There is no file"):
        read(tmp_path / "nothing.csv")


def corpus(size: int = 400, split_of: str = "") -> list[Example]:
    return [Example(f"message {n} of many", int(n % 4 == 0), split_of) for n in range(size)]


def texts(part: Iterable[Example]) -> set[str]:
    return {normalise(example.text) for example in part}


def assert_disjoint(parts: Splits) -> None:
    train, validation, test = map(texts, (parts.train, parts.validation, parts.test))
    assert not train & validation
    assert not train & test
    assert not validation & test


def test_split_is_stratified_complete_and_the_same_in_any_order() -> None:
    examples = corpus()
    parts = split(examples, 0.15)
    assert_disjoint(parts)
    assert len(parts.train) + len(parts.validation) + len(parts.test) == len(examples)
    for part, share in ((parts.test, 0.15), (parts.validation, 0.15 * 0.85)):
        assert len(part) == pytest.approx(share * 400, abs=3)
        assert sum(e.label for e in part) / len(part) == pytest.approx(0.25, abs=0.02)
    assert split(examples[::-1], 0.15) == parts


def test_duplicates_never_cross_the_split() -> None:
    doubled = [
        *corpus(),
        *(Example(f"  MESSAGE {n}\tof MANY ", int(n % 4 == 0)) for n in range(400)),
    ]
    parts = split(doubled, 0.15)
    assert_disjoint(parts)
    assert len(parts.test) == len(texts(parts.test))
    assert len(parts.train) > len(texts(parts.train))


def test_the_first_few_of_a_split_are_a_fair_sample() -> None:
    part = split(corpus(4_000), 0.15).validation[:200]
    assert 0.15 < sum(example.label for example in part) / 200 < 0.35


def test_a_split_of_its_own_is_kept_and_validation_is_carved_out_of_training() -> None:
    named = [
        *corpus(300, TRAIN),
        *(Example(f"test {n}", n % 2, TEST) for n in range(100)),
    ]
    parts = split(named, 0.15)
    assert texts(parts.test) == {f"test {n}" for n in range(100)}
    assert len(parts.validation) == pytest.approx(45, abs=2)
    assert all(example.text.startswith("message") for example in parts.validation)


def test_a_validation_of_its_own_is_kept() -> None:
    named = [
        *corpus(300, TRAIN),
        *(Example(f"check {n}", n % 2, VALIDATION) for n in range(20)),
    ]
    assert texts(split(named, 0.15).validation) == {f"check {n}" for n in range(20)}


def test_a_text_in_several_splits_is_not_learned_from(caplog: pytest.LogCaptureFixture) -> None:
    named = [
        *corpus(300, TRAIN),
        *(Example(f"MESSAGE {n} of many", int(n % 4 == 0), TEST) for n in range(100)),
        *(Example(f"Message {n} of many", int(n % 4 == 0), VALIDATION) for n in range(50, 150)),
    ]
    parts = split(named, 0.15)
    assert_disjoint(parts)
    assert len(parts.test) == 100
    assert texts(parts.validation) == {f"message {n} of many" for n in range(100, 150)}
    assert "150 training texts are also in the validation or test split" in caplog.text


def test_a_split_with_one_class_is_refused() -> None:
    lopsided = [*corpus(100, TRAIN), *(Example(f"t {n}", 0, TEST) for n in range(20))]
    with pytest.raises(DataUnusable, match="test split would hold one class only"):
        split(lopsided, 0.15)


def test_the_fingerprint_knows_the_data_and_not_its_order() -> None:
    examples = corpus(60)
    changed = [*examples[:-1], Example(examples[-1].text, 1 - examples[-1].label)]
    assert fingerprint(examples) == fingerprint(examples[::-1])
    assert fingerprint(examples) != fingerprint(changed)


def test_unique_keeps_the_first() -> None:
    assert unique([Example("A b", 0), Example("a  B", 1), Example("c", 1)]) == [
        Example("A b", 0),
        Example("c", 1),
    ]


COLLECTION = "".join(
    f"{'spam' if n % 5 == 0 else 'ham'}\tmessage\tnumber {n}\n" for n in range(60)
).encode()


@pytest.fixture
def own_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real one stays where it is: only the hash that is expected changes."""
    monkeypatch.setattr(sms_archive, "SHA256", hashlib.sha256(COLLECTION).hexdigest())


@pytest.mark.usefixtures("own_collection")
def test_the_sms_archive_is_read_as_file_and_as_zip(tmp_path: Path) -> None:
    plain, packed = tmp_path / "SMSSpamCollection", tmp_path / "sms+spam+collection.zip"
    plain.write_bytes(COLLECTION)
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("SMSSpamCollection", COLLECTION)
        archive.writestr("readme", "about it")
    assert is_archive(plain)
    assert is_archive(packed)
    assert not is_archive(write_csv(tmp_path / "d.csv", ROWS))
    assert read_sms(plain) == read_sms(packed)
    assert read_sms(plain)[:2] == [
        Example("message\tnumber 0", 1),
        Example("message\tnumber 1", 0),
    ]


def test_another_file_by_that_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "SMSSpamCollection").write_bytes(COLLECTION)
    with pytest.raises(DataUnusable, match="is not the UCI SMS Spam Collection"):
        read_sms(tmp_path / "SMSSpamCollection")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("other", "")
    with pytest.raises(DataUnusable, match=r"no SMS Spam Collection archive"):
        read_sms(tmp_path / "other.zip")


@pytest.mark.data
def test_the_real_collection_is_read(shared_data: Path) -> None:
    examples = read_sms(shared_data / "sms_spam" / "SMSSpamCollection")
    assert len(examples) == 5_574
    assert sum(example.label for example in examples) == 747
    parts = split(examples, 0.15)
    assert_disjoint(parts)


def test_reading_and_splitting_take_no_tensorflow() -> None:
    code = (
        "import sys, training.data.examples, training.loop.schedule, training.presets, training.release.publish, "
        "training.data.sms_archive, training.__main__; "
        "sys.exit(bool({'tensorflow', 'keras', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
