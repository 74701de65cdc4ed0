from pathlib import Path

import pytest

from plumbline_client.broker_url import BrokerUrl
from plumbline_client.errors import BrokerUnavailable


def test_tcp_url() -> None:
    broker = BrokerUrl(host="h", port=1, database=2, user="me", password="a/b")
    assert broker.url == broker.celery_url() == "redis://me:a%2Fb@h:1/2"
    assert broker.masked == "redis://me:***@h:1/2"
    options = {"host": "h", "port": 1, "db": 2, "username": "me", "password": "a/b"}
    assert broker.redis_options() == options


def test_socket_url() -> None:
    broker = BrokerUrl(socket="/run/my redis.sock", database=2, password="a/b")
    assert broker.url == "unix://:a%2Fb@/run/my%20redis.sock?db=2"
    assert broker.celery_url() == "redis+socket://:a%2Fb@/run/my%20redis.sock?virtual_host=2"
    assert broker.masked == "unix://:***@/run/my%20redis.sock?db=2"
    assert broker.redis_options() == {
        "unix_socket_path": "/run/my redis.sock",
        "db": 2,
        "username": None,
        "password": "a/b",
    }


def test_tls_url(tmp_path: Path) -> None:
    certificates = tmp_path / "ca.pem"
    certificates.touch()
    tls = {"ssl_cert_reqs": "required", "ssl_password": "pass", "ssl_ca_certs": str(certificates)}
    broker = BrokerUrl(host="h", tls=tls)
    assert broker.masked == broker.celery_url() == "rediss://h:6379/0"
    assert "ssl_password=pass" in broker.url
    assert broker.redis_options().items() >= (tls | {"ssl": True}).items()


def test_missing_certificate_is_named_by_its_option() -> None:
    broker = BrokerUrl(host="h", password="secret", tls={"ssl_ca_certs": "/does/not/exist"})
    with pytest.raises(BrokerUnavailable, match="ssl_ca_certs") as refused:
        broker.redis_options()
    assert "secret" not in str(refused.value)


def test_ipv6_address_is_in_brackets() -> None:
    assert BrokerUrl(host="fe80::1%eth0").url == "redis://[fe80::1%25eth0]:6379/0"


@pytest.mark.parametrize(
    ("user", "password", "login"),
    [
        ("me", "secret", "me:***@"),
        (None, "secret", ":***@"),
        # It may be a password that lacks its colon, or one that was encoded with its colon.
        ("secret", None, "***@"),
        (":secret", "x", "***:***@"),
    ],
)
def test_masked_login(user: str | None, password: str | None, login: str) -> None:
    assert BrokerUrl(user=user, password=password).masked == f"redis://{login}localhost:6379/0"


def test_repr_hides_the_login() -> None:
    assert "secret" not in repr(BrokerUrl(user="secret", password="secret", tls={"x": "secret"}))
