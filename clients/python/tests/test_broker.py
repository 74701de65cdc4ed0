import pytest

from plumbline_client.broker import Publisher
from plumbline_client.errors import BrokerUrlInvalid


def test_invalid_url_raises_before_anything_is_accepted() -> None:
    with pytest.raises(
        BrokerUrlInvalid, match=r"^The broker URL does not start with redis://, .*\.$"
    ):
        Publisher("http://host")
