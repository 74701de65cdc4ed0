import gzip
import os
from pathlib import Path

import pytest

from plumbline.errors import FileUnreadable, OptionInvalid
from plumbline.files import check_argument, read_text


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("Grüße\r\n".encode(), None),
        ("Grüße\r\n".encode("utf-8-sig"), None),
        ("Grüße\r\n".encode("utf-16"), None),
        ("Grüße\r\n".encode("cp1252"), "cp1252"),
        (gzip.compress("Grüße\r\n".encode(), mtime=0), None),
    ],
)
def test_whole_text_is_read(tmp_path: Path, content: bytes, encoding: str | None) -> None:
    (tmp_path / "a").write_bytes(content)
    assert read_text(str(tmp_path / "a"), encoding) == "Grüße\r\n"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("Grüße".encode("cp1252"), "is not UTF-8 text"),
        (b"plain\n" * 50_000 + b"\xff", "has bytes that are not UTF-8; name its encoding with"),
        (b"\xff\xfea\0b", "has bytes that are not UTF-16; name its encoding with --encoding."),
        (b"%PDF-1.7", "is a PDF document, not text."),
        (gzip.compress(b"a" * 99, mtime=0)[:-9], "cannot be read: Compressed file ended"),
        (b"\x1f\x8b\x08\x00", "cannot be read: "),
    ],
)
def test_what_is_not_text_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    with pytest.raises(FileUnreadable) as caught:
        read_text(str(path))
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable, match="cannot be read: No such file or directory"):
        read_text(str(tmp_path / "absent"))


def test_standard_input_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    descriptor = os.open(os.devnull, os.O_WRONLY)
    with os.fdopen(descriptor, "w") as closed, open(descriptor, closefd=False) as stream:
        monkeypatch.setattr("sys.stdin", stream)
        with pytest.raises(FileUnreadable, match=r"^Standard input cannot be read: Bad file desc"):
            read_text("-")
        assert not closed.closed


def test_argument_that_could_not_be_decoded_is_refused() -> None:
    assert check_argument("Grüße") == "Grüße"
    with pytest.raises(OptionInvalid, match="on standard input with --encoding"):
        check_argument(os.fsdecode("Grüße".encode("latin-1")))
