import pytest

from plumbline_client.url_syntax import cleaned, decoded, split_scheme, split_user_info


@pytest.mark.parametrize(
    "surrounded",
    [
        "redis://host\n",
        "redis://host\r\n",
        "  redis://host\t",
        '"redis://host"',
        "'redis://host'\n",
        '"redis://host\n"',
        "\ufeffredis://host",
    ],
)
def test_what_surrounds_a_url_is_removed(surrounded: str) -> None:
    assert cleaned(surrounded) == "redis://host"


@pytest.mark.parametrize("url", ['redis://:a"b@host', "redis://:'@host", '"', ""])
def test_quotes_that_are_no_pair_stay(url: str) -> None:
    assert cleaned(url) == url


def test_schemes_are_lower_case() -> None:
    assert split_scheme("REDIS://Host/0") == ("redis", "Host/0")
    assert split_scheme("Host:6379") == ("", "Host:6379")


@pytest.mark.parametrize(
    "url", ["redis://:a\nb@host", "redis://:a\0b@host", "redis://:\udcff@host"]
)
def test_characters_that_no_url_contains_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"control character|UTF-8"):
        split_scheme(url)


@pytest.mark.parametrize(
    ("user_info", "parts"),
    [
        ("", (None, None)),
        ("me", ("me", None)),
        ("me:", ("me", None)),
        (":a:b", (None, "a:b")),
        ("m%3Ae:a%2Fb+c", ("m:e", "a/b+c")),
    ],
)
def test_user_and_password(user_info: str, parts: tuple[str | None, str | None]) -> None:
    assert split_user_info(user_info) == parts


def test_a_percent_sign_without_digits_stands_for_itself() -> None:
    assert decoded("100%") == "100%"
    assert decoded("%zz%41") == "%zzA"


def test_escapes_that_are_not_utf_8_are_refused() -> None:
    with pytest.raises(ValueError, match="not UTF-8"):
        decoded("%ff")
