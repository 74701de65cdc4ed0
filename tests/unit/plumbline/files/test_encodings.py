import pytest

from plumbline.errors import OptionInvalid
from plumbline.files.encodings import encoding_of, parse_encoding, refusal


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("UTF8", "utf-8"),
        ("latin1", "iso8859-1"),
        ("windows-1252", "cp1252"),
        (" sjis ", "shift_jis"),
    ],
)
def test_encoding_has_aliases(name: str, codec: str) -> None:
    assert parse_encoding(name) == codec


@pytest.mark.parametrize(
    "name",
    [
        "nonsense",
        "",
        "base64",
        "zip",
        "rot13",
        "hex",
        "bz2",
        "uu",
        "quopri",
        "idna",
        "punycode",
        "unicode_escape",
        "raw_unicode_escape",
        "undefined",
        "a\x00b",
        "x" * 500,
        "../x",
        "\udc80",
    ],
)
def test_what_is_not_an_encoding_of_text_is_refused(name: str) -> None:
    with pytest.raises(OptionInvalid, match=r"^--encoding .* is not an encoding of text; .*\.$"):
        parse_encoding(name)


def test_byte_order_mark_is_stronger_than_the_named_encoding() -> None:
    assert encoding_of(b"a", None) == "utf-8"
    assert encoding_of(b"a", "cp1252") == "cp1252"
    assert encoding_of(b"\xef\xbb\xbfa", "cp1252") == "utf-8-sig"
    assert encoding_of(b"\xff\xfea\0", None) == "utf-16"
    assert encoding_of(b"\xff\xfe\0\0a\0\0\0", None) == "utf-32"


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
    assert refusal("Grüße".encode("cp1252"), "utf-8") is None
    assert refusal(b"", "utf-16") is None
