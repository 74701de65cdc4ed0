import pytest

from plumbline.publisher import masked


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://:secret@localhost:6379/0", "redis://:***@localhost:6379/0"),
        ("rediss://me:se@cret@host/1", "rediss://me:***@host/1"),
        ("redis://:secret@[host", "the URL given"),
    ],
)
def test_a_broker_is_named_without_its_password(url: str, shown: str) -> None:
    assert masked(url) == shown
