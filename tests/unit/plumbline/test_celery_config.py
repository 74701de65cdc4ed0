from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st
from kombu import Connection

from plumbline.celery_config import SOCKET_TIMEOUT_S, VISIBILITY_TIMEOUT_S, broker_config

UTF8 = st.characters(exclude_categories=["Cs"])


def test_visibility_timeout_is_set_everywhere_celery_reads_it() -> None:
    config = broker_config("redis://localhost:6379/0")
    for place in (config, config["broker_transport_options"]):
        assert place["visibility_timeout"] == VISIBILITY_TIMEOUT_S
    assert config["result_backend_transport_options"]["visibility_timeout"] == VISIBILITY_TIMEOUT_S


def test_socket_timeout_is_set() -> None:
    options = broker_config("redis://localhost:6379/0")["broker_transport_options"]
    assert options["socket_timeout"] == SOCKET_TIMEOUT_S


def connection(url: str) -> Connection:
    config = broker_config(url)
    return Connection(config["broker_url"], ssl=config["broker_use_ssl"])


@given(user=st.text(UTF8), password=st.text(UTF8, min_size=1))
def test_kombu_reads_the_same_login_and_logs_no_password(user: str, password: str) -> None:
    secret = f"<{password}>"
    login = f"{quote(user, safe='')}:{quote(secret, safe='')}"
    broker = connection(f"redis://{login}@[::1]:7/3")
    assert (broker.userid or "", broker.password) == (user, secret)
    assert (broker.hostname, broker.port, broker.virtual_host) == ("::1", 7, "3")
    for logged in (broker.as_uri(), connection(f"unix://{login}@/r.sock").as_uri()):
        assert secret not in logged and quote(secret, safe="") not in logged


def test_kombu_verifies_certificates_unless_the_url_says_otherwise() -> None:
    assert connection("redis://host").ssl is False
    assert connection("rediss://host").ssl["ssl_cert_reqs"] == "required"
    assert connection("rediss://host?ssl_cert_reqs=none").ssl["ssl_cert_reqs"] == "none"
