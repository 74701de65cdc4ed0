import pytest

from plumbline_client.broker import Publisher
from plumbline_client.errors import BrokerUnavailable
from plumbline_client.urls import masked


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


def test_a_url_that_cannot_be_read_is_told_before_anything_is_accepted() -> None:
    with pytest.raises(BrokerUnavailable, match=r"^Redis at http://host cannot be reached: .*\.$"):
        Publisher("http://host")
