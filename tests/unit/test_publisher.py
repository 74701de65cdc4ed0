import pytest

from plumbline.publisher import VISIBILITY_TIMEOUT_S, broker_config, masked


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


def test_the_visibility_timeout_is_said_wherever_celery_looks_for_it() -> None:
    config = broker_config("redis://localhost:6379/0")
    for place in (config, config["broker_transport_options"]):
        assert place["visibility_timeout"] == VISIBILITY_TIMEOUT_S
    assert config["result_backend_transport_options"]["visibility_timeout"] == VISIBILITY_TIMEOUT_S
