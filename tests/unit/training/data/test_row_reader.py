import gzip
from pathlib import Path

import pytest

from training.data.row_reader import read_rows
from training.errors import DataInvalid


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("d.jsonl", b'{"text": "a", "label": 1}\n{oops\n', "line 2 is not JSON"),
        ("d.jsonl", b"[1]\n", "line 1 is not a JSON object"),
        ("d.csv.gz", b"not gzip", "cannot be read"),
        (
            "d.csv.gz",
            gzip.compress(b"text,label\n" + b"a,0\n" * 9_999, mtime=0)[:-20],
            "cannot be read",
        ),
        ("d.csv", b"text,label\n\xff\xfe,1\n", "cannot be read"),
        ("d.parquet", b"not parquet", "cannot be read"),
        ("d.xml", b"<a/>", "is not .csv, .csv.gz, .jsonl or .parquet"),
    ],
)
def test_unreadable_file_is_reported_in_one_sentence(
    tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataInvalid, match=sentence):
        list(read_rows(tmp_path / name))


def test_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="does not exist"):
        list(read_rows(tmp_path / "nothing.csv"))
