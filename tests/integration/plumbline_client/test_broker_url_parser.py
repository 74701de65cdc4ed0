"""Every form of the broker's URL against a real Redis: what it reaches, and what its errors say."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from plumbline import heartbeat
from plumbline.broker import check_writable, ping, queue_depth
from plumbline.heartbeat import WorkerStatus
from plumbline_client.broker import Publisher
from plumbline_client.errors import BrokerUnavailable
from plumbline_client.queues import SCORE_QUEUE
from tests.secured_redis import (
    CERTIFICATE,
    ENCODED,
    PASSWORD,
    SECRETS,
    USER,
    SecuredRedis,
    secured_redis,
)

TRUSTED = f"ssl_ca_certs={CERTIFICATE}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredRedis]:
    with secured_redis(tmp_path_factory.mktemp("secured")) as running:
        yield running


@pytest.mark.parametrize(
    "url",
    [
        f"unix://:{ENCODED}@{{address}}?db=1",
        f"unix://{USER}:{ENCODED}@{{address}}?db=1",
        f"UNIX://{{address}}?db=1&username={USER}&password={ENCODED}\n",
        f"redis+socket://:{ENCODED}@{{address}}?virtual_host=1",
        f"rediss://{USER}:{ENCODED}@{{tls_address}}/1?{TRUSTED}",
        f"rediss://{{tls_address}}?db=1&{TRUSTED}&password={ENCODED}",
        f"'rediss://:{ENCODED}@{{tls_address}}/1?ssl_cert_reqs=none'\r\n",
    ],
)
def test_a_message_arrives_in_the_database_of_the_url(server: SecuredRedis, url: str) -> None:
    url = url.format(address=server.address, tls_address=server.tls_address)
    before = queue_depth(f"unix://:{ENCODED}@{server.address}?db=1")
    check_writable(url)
    with Publisher(url) as publisher:
        publisher.send("task", {}, SCORE_QUEUE)
    assert queue_depth(url) == before + 1
    with heartbeat.connect(url) as connection:
        heartbeat.send(connection, WorkerStatus.SCORING, "worker")
        assert [beat.name for beat in heartbeat.recent(connection)] == ["worker"]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"unix://:{ENCODED}@{{address}}?db=99", "refuses: DB index is out of range"),
        (f"unix://:{ENCODED}x@{{address}}", "invalid username-password pair"),
        (f"unix://other:{ENCODED}@{{address}}", "invalid username-password pair"),
        (f"unix://{ENCODED}@{{address}}", "invalid username-password pair"),
        ("unix://{address}", "NOAUTH"),
        (f"unix://:{ENCODED}@{{address}}.other", "redis.sock.other"),
        (f"rediss://:{ENCODED}@{{tls_address}}/1", "certificate verify failed"),
        (f"redis://:{ENCODED}@{{tls_address}}/1", "cannot be reached"),
        (f"rediss://:{ENCODED}@{{tls_address}}/?{TRUSTED}.other", "ssl_ca_certs"),
        (f"redis://:{PASSWORD}@localhost:1/1", "localhost:1"),
        (f"redis://:{PASSWORD}", "The broker URL"),
    ],
)
def test_no_error_holds_the_password(server: SecuredRedis, url: str, reason: str) -> None:
    with pytest.raises(BrokerUnavailable, match=reason) as refused:
        ping(url.format(address=server.address, tls_address=server.tls_address))
    sentence = str(refused.value)
    assert not any(secret in sentence for secret in SECRETS)
    assert sentence.endswith(".") and "\n" not in sentence
