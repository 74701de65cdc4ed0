import pytest

from plumbline.byte_order_marks import marked_encoding


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_mark_states_the_encoding(encoding: str) -> None:
    assert marked_encoding("é".encode(encoding)) == encoding


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_mark_may_be_in_either_byte_order(encoding: str) -> None:
    for order in ("le", "be"):
        assert marked_encoding("\ufeffé".encode(f"{encoding}-{order}")) == encoding


def test_content_without_a_mark_states_nothing() -> None:
    for content in (b"", b"\xff", b"\xef\xbb", "é".encode(), "é".encode("utf-16-le")):
        assert marked_encoding(content) is None
