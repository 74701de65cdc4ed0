"""URLs as they come from secret files and password generators: which work, and what is printed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import NOWHERE, Cli
from tests.secured_redis import (
    ENCODED,
    PASSWORD,
    SECRETS,
    USER,
    SecuredRedis,
    secured_redis,
)
from tests.workers import failed_start_output, start_worker


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredRedis]:
    with secured_redis(tmp_path_factory.mktemp("secured")) as running:
        yield running


def test_client_worker_and_probe_use_the_same_socket(
    cli: Cli, server: SecuredRedis, database_url: str, tmp_path: Path
) -> None:
    url = f"unix://{server.address}?db=1&username={USER}&password={ENCODED}\n"
    connected = cli.with_settings(broker_url=url)
    with start_worker(database_url, url, tmp_path, concurrency=1) as worker:
        assert "scored" in connected.run("submit", "--text", "hello", "--wait")
        # Every check of a probe, of which only beat fails: none runs.
        assert "beat" in connected.run("health", code=3)
    assert "Connected to redis+socket://me:***@" in worker.log()
    assert not any(secret in worker.log() for secret in SECRETS)


@pytest.mark.parametrize(
    ("command", "url", "reason"),
    [
        ("status", "redis://:pa/ss@127.0.0.1:1/0", "redis://:***@127.0.0.1:1/0 cannot be reached"),
        ("status", "redis://:pa#ss@127.0.0.1:1/0", "redis://:***@127.0.0.1:1/0 cannot be reached"),
        ("status", "redis://127.0.0.1:1/0?password=pa/ss", "redis://:***@127.0.0.1:1/0 cannot be"),
        ("status", "sentinel://:pa/ss@127.0.0.1:1/name", "several servers or a sentinel"),
        (
            "health",
            f"rediss://:{PASSWORD}@127.0.0.1:1/0\n",
            "rediss://:***@127.0.0.1:1/0 cannot be",
        ),
        ("health", f"unix://:{PASSWORD}@/none.sock", "unix://:***@/none.sock?db=0 cannot be"),
        ("health", "redis://:pa/ss", "The broker URL has no valid port"),
    ],
)
def test_no_command_prints_the_password_of_redis(
    cli: Cli, command: str, url: str, reason: str
) -> None:
    done = cli.with_settings(broker_url=url).complete(command, "--json")
    output = (done.stdout + done.stderr).decode()
    assert reason in output
    assert not any(secret in output for secret in ("pa/ss", "pa#ss", "ss@", *SECRETS))


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u@{NOWHERE}/d?password=topsecret",
        f"postgresql://u:p@s/s#w%rd@{NOWHERE}/d",
        "postgresql://u:topsecret",
    ],
)
def test_no_command_prints_the_password_of_postgresql(cli: Cli, url: str) -> None:
    output = cli.with_settings(database_url=url).error("db", "check")
    assert not any(secret in output for secret in ("topsecret", "p@s", "s/s", "w%rd"))


def test_worker_with_an_invalid_url_does_not_start(database_url: str, tmp_path: Path) -> None:
    output = failed_start_output(database_url, "redis://:hunter2", tmp_path)
    assert "The broker URL has no valid port" in output
    assert "hunter2" not in output and "Traceback" not in output
