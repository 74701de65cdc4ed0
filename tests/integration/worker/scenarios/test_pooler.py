"""Client, command line, worker and beat reach PostgreSQL only through a transaction pooler."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from plumbline_client import Client
from storage import migrate
from storage.database import open_engine
from tests import servers
from tests.command import Cli
from tests.pooler import transaction_pooler
from tests.waiting import eventually
from tests.workers import environment, start_beat, start_worker

SETTINGS = {"sweep_every_s": 1, "lease_s": 3}


@pytest.fixture
def pooled_url(postgres_server_url: str) -> Iterator[str]:
    with (
        servers.database(postgres_server_url, "template0") as url,
        transaction_pooler(url, sessions=6) as pooled,
    ):
        yield pooled


def test_everything_works_through_a_transaction_pooler(
    pooled_url: str, broker_url: str, tmp_path: Path
) -> None:
    cli = Cli(tmp_path, environment(pooled_url, broker_url, tmp_path))
    assert cli.json("db", "upgrade") == {"version": migrate.newest()}
    assert cli.json("db", "check")["version"] == migrate.newest()
    with (
        start_beat(pooled_url, broker_url, tmp_path, settings=SETTINGS) as beat,
        start_worker(pooled_url, broker_url, tmp_path, settings=SETTINGS) as worker,
        Client(pooled_url, broker_url, message_size=2) as client,
    ):
        texts = cli.write("many.txt", "".join(f"text number {n}\n" for n in range(40)))
        cli.run("submit", texts)
        ids = [receipt.job_id for receipt in client.submit_many(["See you at six"] * 20)]
        beat.wait_for_log("the relay reads the outbox every 1 s")
        with open_engine(pooled_url) as engine, engine.begin() as connection:
            submitted = text(
                "SELECT plumbline.submit_v1('text in SQL ' || n) FROM generate_series(1, 5) AS n"
            )
            ids += connection.execute(submitted).scalars().all()
        assert {result.state for result in client.wait(ids)} == {"scored"}
        eventually(lambda: len(client.results(state="scored", limit=None)) == 65)
        assert cli.json("status")["counts"]["scored"] == 65
        cli.run("health")
        assert beat.process.poll() is None and worker.process.poll() is None
    log = beat.log() + worker.log()
    assert "Traceback" not in log and "will be retried" not in log and "skipped" not in log
    assert beat.log().count("the relay reads the outbox") == 1
