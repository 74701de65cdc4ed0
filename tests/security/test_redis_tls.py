"""TLS to Redis: who listens in between reads nothing, and who stands in for Redis is refused.

The real server listens behind a proxy that ends TLS with a self-signed certificate for localhost.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from plumbline.queues import SCORE_QUEUE, SCORE_TASK
from plumbline_client import Client
from plumbline_client.broker import Publisher
from plumbline_client.errors import BrokerUnavailable
from tests.command import Cli
from tests.secured_redis import CERTIFICATE, ENCODED, SECRETS, USER, SecuredRedis, secured_redis
from tests.waiting import eventually
from tests.workers import environment, failed_start_output, start_beat, start_worker

UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredRedis]:
    with secured_redis(tmp_path_factory.mktemp("tls")) as running:
        yield running


def url_of(server: SecuredRedis, options: str = "") -> str:
    return f"rediss://{USER}:{ENCODED}@{server.tls_address}/2{options}"


def test_client_worker_beat_and_commands_speak_tls(
    server: SecuredRedis, database_url: str, tmp_path: Path
) -> None:
    # As a secret file or a line of .env holds it.
    url = f'"{url_of(server, f"?ssl_ca_certs={CERTIFICATE}&ssl_password={ENCODED}")}"\n'
    cli = Cli(tmp_path, environment(database_url, url, tmp_path))
    with (
        start_worker(database_url, url, tmp_path, concurrency=1) as worker,
        start_beat(database_url, url, tmp_path) as beat,
        Client(database_url, url) as client,
    ):
        receipt = client.submit("See you at six")
        assert receipt.published
        assert client.wait([receipt.job_id], timeout_s=60)[0].state == "scored"
        eventually(lambda: cli.complete("health").returncode == 0, 30.0, "it is not healthy")
        assert cli.json("status")["broker_error"] is None
    assert "Connected to rediss://me:***@localhost" in worker.log()
    assert not any(secret in worker.log() + beat.log() for secret in SECRETS)


@pytest.mark.parametrize("options", ["", "?ssl_cert_reqs=optional"])
def test_a_certificate_that_is_not_trusted_is_refused_in_one_sentence(
    server: SecuredRedis, database_url: str, tmp_path: Path, options: str
) -> None:
    """Nothing is sent to it, neither a password nor a text."""
    url = url_of(server, options)
    with pytest.raises(BrokerUnavailable) as error, Publisher(url) as publisher:
        publisher.send(SCORE_TASK, {}, SCORE_QUEUE)
    assert UNTRUSTED in str(error.value)
    with Client(database_url, url) as client:
        # The text waits in the ledger.
        assert not client.submit("See you at six", key="1").published
    cli = Cli(tmp_path, environment(database_url, url, tmp_path))
    assert UNTRUSTED in cli.json("health", "--here", code=3)["reason"]
    assert UNTRUSTED in cli.json("status", code=1)["broker_error"]


def test_a_worker_that_does_not_trust_the_certificate_exits_with_one_sentence(
    server: SecuredRedis, database_url: str, tmp_path: Path
) -> None:
    output = failed_start_output(database_url, url_of(server), tmp_path)
    (sentence,) = [line for line in output.splitlines() if "The worker does not start: " in line]
    assert UNTRUSTED in sentence and ENCODED not in output and "Traceback" not in output


def test_beat_that_does_not_trust_the_certificate_logs_one_sentence_and_sends_nothing(
    server: SecuredRedis, database_url: str, tmp_path: Path
) -> None:
    with start_beat(database_url, url_of(server), tmp_path) as beat:
        beat.wait_for_log(UNTRUSTED)
        assert ENCODED not in beat.log() and "Traceback" not in beat.log()


def test_a_server_without_tls_gets_no_password() -> None:
    """A neighbour that took the address of Redis learns nothing from a `rediss://` URL."""
    received = []

    def impersonate() -> None:
        with listener.accept()[0] as client:
            received.append(client.recv(65_536))
            client.sendall(b"+OK\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        neighbour = Thread(target=impersonate)
        neighbour.start()
        url = f"rediss://{USER}:{ENCODED}@localhost:{listener.getsockname()[1]}/0"
        with pytest.raises(BrokerUnavailable), Publisher(url) as publisher:
            publisher.send(SCORE_TASK, {}, SCORE_QUEUE)
        neighbour.join()
    # A handshake of TLS, and no command.
    assert received[0][:1] == b"\x16" and b"AUTH" not in received[0]
