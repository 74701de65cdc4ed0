from __future__ import annotations

from typing import Any

import pytest
from celery import Celery
from kombu import Connection

from plumbline.celery_config import broker_config
from worker.broker.address import BrokerDiffers, check_broker, leads_to

URL = "redis://user:secret@127.0.0.1:6379/3"


def connection(url: str, **options: Any) -> Connection:
    config = broker_config(url)
    transport_options = config["broker_transport_options"] | options
    return Connection(config["broker_url"], transport_options=transport_options)


@pytest.mark.parametrize(
    "url", [URL, "redis://h", "unix:///run/r.sock", "redis://:p%2Fw@[::1]:7/0"]
)
def test_a_connection_leads_to_its_own_url(url: str) -> None:
    assert leads_to(connection(url), url)
    assert not leads_to(connection(url), "redis://elsewhere:1/9")


@pytest.mark.parametrize(
    "url",
    [
        "redis://user:secret@127.0.0.2:6379/3",
        "redis://user:secret@127.0.0.1:6380/3",
        "redis://user:secret@127.0.0.1:6379/5",
        "redis://other:secret@127.0.0.1:6379/3",
        "redis://user:other@127.0.0.1:6379/3",
        "rediss://user:secret@127.0.0.1:6379/3",
        "unix:///run/redis.sock",
    ],
)
def test_another_server_database_or_user_is_elsewhere(url: str) -> None:
    assert not leads_to(connection(url), URL)


def test_another_key_prefix_is_elsewhere() -> None:
    assert leads_to(connection(URL, socket_timeout=2.0), URL)
    assert not leads_to(connection(URL, global_keyprefix="theirs:"), URL)


def test_a_list_of_brokers_is_elsewhere() -> None:
    assert not leads_to(Connection(f"{URL};redis://elsewhere:1/0"), URL)
    assert not leads_to(Connection("amqp://127.0.0.1"), URL)


@pytest.mark.parametrize("setting", ["broker_url", "broker_read_url", "broker_write_url"])
def test_an_app_with_another_broker_is_refused(setting: str) -> None:
    with Celery("test", set_as_current=False) as app:
        app.conf.update(broker_config(URL))
        check_broker(app, URL)
        app.conf[setting] = "redis://:their-password@127.0.0.1:6379/5"
        with pytest.raises(
            BrokerDiffers, match="another broker than PLUMBLINE_BROKER_URL"
        ) as error:
            check_broker(app, URL)
    assert "their-password" not in str(error.value)


@pytest.mark.parametrize("setting", ["broker_transport", "broker_host"])
def test_older_settings_of_celery_are_compared_as_well(setting: str) -> None:
    with Celery("test", set_as_current=False) as app:
        app.conf.update(broker_config("redis://127.0.0.1"))
        app.conf[setting] = "memory"
        if setting == "broker_host":
            # It counts only for an app without a URL.
            app.conf["broker_url"] = None
        with pytest.raises(BrokerDiffers):
            check_broker(app, "redis://127.0.0.1")
