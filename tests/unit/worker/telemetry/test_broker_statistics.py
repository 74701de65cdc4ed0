from types import SimpleNamespace

import pytest
from kombu import Connection

from plumbline.celery_config import broker_config
from worker.telemetry.broker_statistics import BrokerStatistics


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://me:secret@host:1/2", {"hostname": "host", "port": 1, "ssl": False}),
        ("rediss://host?password=secret&ssl_password=secret", {"hostname": "host", "ssl": True}),
        ("unix://me:secret@/r.sock", {"hostname": "redis+socket://me:**@/r.sock"}),
    ],
)
def test_statistics_show_the_address_without_passwords(url: str, shown: dict[str, object]) -> None:
    config = broker_config(url)
    connection = Connection(config["broker_url"], ssl=config["broker_use_ssl"])
    consumer = SimpleNamespace(connection=connection)
    statistics = BrokerStatistics(consumer).info(consumer)
    assert statistics["broker"].items() >= shown.items()
    assert "secret" not in str(statistics)


def test_a_worker_that_is_not_connected_shows_nothing() -> None:
    consumer = SimpleNamespace(connection=None)
    assert BrokerStatistics(consumer).info(consumer) == {}
