import pytest

from plumbline.files.signatures import LETTER_SIGNATURES, SIGNATURES, kind_of


@pytest.mark.parametrize(("offset", "signature", "kind"), [*SIGNATURES, *LETTER_SIGNATURES])
def test_every_signature_is_recognized(offset: int, signature: bytes, kind: str) -> None:
    assert kind_of(b"x" * offset + signature + b"\0\1") == kind


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ORC attack",
        "BM is short for",
        "MZ",
        "GIF89a is a format",
        "PAR1 and more",
        "ID3 tags",
        "OggS",
        "%PDF",
        "PK",
        "BZh",
        "RIFF raff",
        "Grüße",
        "-----BEGIN",
    ],
)
def test_text_may_begin_with_the_letters_of_a_signature(text: str) -> None:
    assert kind_of(text.encode()) is None
    # The first bytes may end within a character.
    assert kind_of((text + "é").encode()[:-1]) is None


def test_white_space_may_precede_a_signature() -> None:
    assert kind_of(b"\r\n %PDF-1.4") == "a PDF document"
