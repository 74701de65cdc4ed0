import pytest

from plumbline_client.broker import Publisher
from plumbline_client.errors import BrokerUnavailable


def test_invalid_url_raises_before_anything_is_accepted() -> None:
    with pytest.raises(BrokerUnavailable, match=r"^Redis at http://host cannot be reached: .*\.$"):
        Publisher("http://host")
