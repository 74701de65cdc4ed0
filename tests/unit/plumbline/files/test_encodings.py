import pytest

from plumbline.errors import OptionInvalid
from plumbline.files.encodings import encoding_of, parse_encoding


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
