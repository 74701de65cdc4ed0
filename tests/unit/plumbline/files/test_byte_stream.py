import gzip
import io
import os
from pathlib import Path

import pytest

from plumbline.errors import FileUnreadable
from plumbline.files.byte_stream import HEAD_BYTES, ByteStream


@pytest.mark.parametrize("size", [0, 3, HEAD_BYTES - 1, HEAD_BYTES, 3 * HEAD_BYTES + 5])
@pytest.mark.parametrize("packed", [False, True])
def test_stream_begins_with_the_head(tmp_path: Path, size: int, packed: bool) -> None:
    content = (b"line\n" * size)[:size]
    path = tmp_path / "a.txt"
    path.write_bytes(gzip.compress(content) if packed else content)
    stream = ByteStream(str(path))
    assert content.startswith(stream.head)
    assert bool(stream.head) is bool(content)
    assert stream.stream.read() == content
    assert stream.position == stream.size == path.stat().st_size
    stream.close()


def test_head_of_a_slow_pipe_is_its_first_line(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as pipe, os.fdopen(writer, "wb", buffering=0) as end:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(pipe))
        end.write(b"a line\n")
        assert ByteStream("-").head == b"a line\n"


def test_data_that_is_compressed_otherwise_than_named_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    for content, sentence in (
        (b"text\na\n", "its name ends in .gz, but it is not gzip data; rename it."),
        (gzip.compress(gzip.compress(b"a")), "is gzip data within gzip data; decompress it once."),
    ):
        path.write_bytes(content)
        with pytest.raises(FileUnreadable) as caught:
            ByteStream(str(path))
        assert sentence in str(caught.value)
