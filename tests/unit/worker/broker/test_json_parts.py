from __future__ import annotations

import json

import pytest

from worker.broker.json_parts import has_more_parts

MOST = 1_000


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[" * MOST,
        json.dumps(["x" * 100_000]).encode(),
        json.dumps(['a \\ " quoted ] text [ \\\\' * 5_000]).encode(),
        json.dumps([{"text": "x" * 10_000} for _ in range(50)]).encode(),
        json.dumps({"é\u2028": "\ud83d\ude00" * 1_000}, ensure_ascii=False).encode(
            errors="surrogatepass"
        ),
    ],
)
def test_a_document_of_few_parts_may_be_long(document: bytes) -> None:
    assert not has_more_parts(document, MOST)


@pytest.mark.parametrize(
    "document",
    [
        b"[" * (MOST + 1),
        b"[" * 1_000_000 + b"]" * 1_000_000,
        b'{"a":' * MOST,
        json.dumps(dict.fromkeys(map(str, range(MOST)), 0)).encode(),
        json.dumps([0] * MOST).encode(),
        b'""' * (MOST + 1),
        b"9" * 10_000,
        b" " * 10_000,
        # Of a string that does not end, each byte counts.
        b'"' + b"x" * 10_000,
        b'"' + b"\\" * 10_001,
        b'["x"' + b',"x"' * MOST,
    ],
)
def test_a_document_of_many_parts_is_recognized(document: bytes) -> None:
    assert has_more_parts(document, MOST)
