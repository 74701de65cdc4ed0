import pytest

from plumbline.files.refusal import refusal


@pytest.mark.parametrize(
    "text", ["ok", "See you at six\r\n", "Привет мир\n", "Γειά σου", "مرحبا\n", "שלום"]
)
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_encoding_without_a_mark_is_recognized(text: str, encoding: str) -> None:
    assert f"add --encoding {encoding}" in (refusal(text.encode(encoding), None) or "")
    assert refusal(text.encode(encoding), encoding) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "ab",
        "a\x00b\n",
        "text\na\x00b\n",
        "line\nline\r\n",
        "Grüße\n",
        "漢字\n" * 9,
        "\x01\x02\x03",
        "é",
        "Ünï\ncödé",
    ],
)
def test_utf_8_text_is_not_refused(text: str) -> None:
    assert refusal(text.encode(), None) is None
    # The head of a file may end within a character.
    assert refusal((text + "aé").encode()[:-1], None) is None


def test_few_lines_that_are_not_utf_8_are_damaged_and_many_are_another_encoding() -> None:
    latin = "Grüße\n".encode("latin-1")
    assert refusal(b"plain\n" * 99 + latin, None) is None
    assert refusal(b"plain\n" * 500 + latin * 2, None) is None
    assert refusal("schön\n".encode() * 50 + latin * 40, None) is None
    assert "is not UTF-8 text" in (refusal(b"plain\n" * 99 + latin * 2, None) or "")
    assert "is not UTF-8 text" in (refusal(latin, None) or "")
    assert "is not UTF-8 text" in (refusal("schön\n".encode() + latin * 2, None) or "")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("WINNER!! Claim\n", "utf-16"),
        ("Grüße\n", "utf-16-le"),
        ("Grüße\n", "utf-32"),
        ("Grüße\n", "cp1252"),
        ("Grüße\n", "iso8859-1"),
    ],
)
def test_utf_8_named_otherwise_is_refused(content: str, named: str) -> None:
    assert refusal(content.encode(), named) == f"is UTF-8, not {named}; leave out --encoding"


def test_named_encoding_is_believed() -> None:
    assert refusal(b"plain", "cp1252") is None
    assert refusal("Grüße".encode("cp1252"), "cp1252") is None
    assert refusal("café".encode("cp1252"), "cp1252") is None
    assert refusal("Grüße".encode("cp1252"), "utf-8") is None
    assert refusal(b"", "utf-16") is None


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["漢字\n", "漢字一二三\n上下\n", "WIN 漢字 now\r\n", "नमस्ते\n"])
def test_wide_encoding_of_other_scripts_is_recognized_by_its_line_ends(
    text: str, encoding: str
) -> None:
    assert f"add --encoding {encoding}" in (refusal(text.encode(encoding), None) or "")


def test_every_line_but_the_last_is_whole() -> None:
    # 0xC3 begins a character in UTF-8.
    assert "is not UTF-8 text" in (refusal(b"Gr\xc3\nK\xc3\n", None) or "")
    assert "is not UTF-8 text" in (refusal(b"Gr\xc3\nK\xc3\nplain", None) or "")


@pytest.mark.parametrize("named", ["utf-16", "utf-16-be", "utf-32", "cp1252", "latin-1", "cp037"])
def test_wide_encoding_is_stronger_than_another_named_one(named: str) -> None:
    reason = refusal("See you at six\r\n".encode("utf-16-le"), named) or ""
    assert "is in UTF-16-LE" in reason and "--encoding" in reason


@pytest.mark.parametrize("content", [b"Gr\xfc\xdfe an dich\n", b"\x00\xd8\x01\n\xff\xfe"])
def test_wide_encoding_that_is_named_without_its_order_needs_a_mark(content: bytes) -> None:
    assert "add --encoding utf-16-le or utf-16-be" in (refusal(content, "utf-16") or "")


@pytest.mark.parametrize(
    "named", ["koi8-r", "mac-roman", "cp437", "cp850", "cp866", "shift_jis", "gb18030", "cp037"]
)
def test_utf_8_is_refused_in_any_other_encoding(named: str) -> None:
    content = "Grüße, 漢字, привет\n".encode()
    assert refusal(content, named) == f"is UTF-8, not {named}; leave out --encoding"


def test_short_text_that_is_utf_8_by_accident_is_read_as_named() -> None:
    for text, named in (("茅台", "gbk"), ("раз\r\nраз", "cp866"), ("你好", "utf-16-le")):
        content = text.encode(named)
        assert content.decode() != text
        assert refusal(content, named) is None


def test_ascii_is_refused_in_an_encoding_with_other_letters() -> None:
    assert refusal(b"See you at six\n", "cp037") == "is ASCII text, not cp037; leave out --encoding"
    for named in ("cp1252", "shift_jis", "iso2022_jp", "utf-7", "ascii", "utf-8", "koi8-r"):
        assert refusal(b"See you at six\n", named) is None


@pytest.mark.parametrize("encoding", ["iso2022_jp", "iso2022_kr"])
def test_escape_sequences_of_another_script_are_recognized(encoding: str) -> None:
    content = {"iso2022_jp": "こんにちは\n", "iso2022_kr": "안녕하세요\n"}[encoding].encode(
        encoding
    )
    assert f"add --encoding {encoding}" in (refusal(content, None) or "")
    assert refusal(content, encoding) is None
    assert refusal(b"\x1b[31mred\x1b[0m\n", None) is None


@pytest.mark.parametrize("named", [None, "latin-1", "utf-8"])
@pytest.mark.parametrize(
    "content",
    [
        bytes(range(32)) * 9,
        b"a\x00b\x00c\x00d\x00efg\n" * 9,
        b"hello\n" + bytes(4096),
        b"first line\n" + "second line\r\n".encode("utf-16-le"),
        bytes(range(256)) * 9,
    ],
)
def test_many_control_characters_are_binary_data(content: bytes, named: str | None) -> None:
    assert "is binary data, not text" in (refusal(content, named) or "")
