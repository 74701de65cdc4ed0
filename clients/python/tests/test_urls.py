import pytest

from plumbline_client.urls import masked


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://:secret@localhost:6379/0", "redis://:***@localhost:6379/0"),
        ("rediss://me:se@cret@host/1", "rediss://me:***@host/1"),
        ("redis://:secret@[host", "the configured URL"),
    ],
)
def test_masked_url_hides_the_password(url: str, shown: str) -> None:
    assert masked(url) == shown
