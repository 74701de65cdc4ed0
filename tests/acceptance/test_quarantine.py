"""`plumbline quarantine` as a person uses it."""

from __future__ import annotations

import pytest
import redis
from sqlalchemy import Engine, text

from plumbline.broker import queue_depth
from plumbline.queues import SUSPECT_QUEUE
from plumbline_client import Client, Result
from plumbline_client.states import JobState
from tests.command import NOWHERE, Cli

ERROR = "given up after 3 attempts: its worker process was killed by SIGSEGV"


@pytest.fixture
def wide_cli(cli: Cli) -> Cli:
    return cli.with_columns(200)


def quarantine_texts(client: Client, engine: Engine, source: str, *texts: str) -> list[str]:
    """Submit texts and quarantine them as the sweeper does; return their ids."""
    ids = [receipt.job_id for receipt in client.submit_many(texts, source=source)]
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE plumbline.jobs SET state = 'quarantined', attempts = 3, fence = 3, "
                "finished_at = now(), error = :error WHERE id = ANY (:ids)"
            ),
            {"error": ERROR, "ids": ids},
        )
    return [str(job_id) for job_id in ids]


def results_by_id(client: Client) -> dict[str, Result]:
    return {str(row.job_id): row for row in client.results(limit=None)}


def queued_messages(broker_url: str) -> int:
    return queue_depth(broker_url, SUSPECT_QUEUE)


def test_jobs_are_listed_replayed_and_discarded(
    wide_cli: Cli, engine: Engine, database_url: str, broker_url: str
) -> None:
    cli = wide_cli
    with Client(database_url, broker_url) as client:
        assert cli.run("quarantine", "list") == "Quarantine is empty.\n"
        a, b = quarantine_texts(client, engine, "shop", "first", "second\x1b[31m")
        (c,) = quarantine_texts(client, engine, "mail", "third")
        with redis.Redis.from_url(broker_url) as queues:
            queues.flushall()

        listed = cli.run("quarantine", "list")
        assert a[:8] in listed and c[:8] in listed and "SIGSEGV" in listed
        assert "\x1b" not in listed
        jobs = cli.json("quarantine", "list", "--source", "shop")["quarantined"]
        assert {job["id"] for job in jobs} == {a, b}
        assert {(job["attempts"], job["error"]) for job in jobs} == {(3, ERROR)}

        assert cli.run("quarantine", "replay", a[:8]) == "Queued 1 job again.\n"
        row = results_by_id(client)[a]
        assert (row.state, row.attempts, row.error) == ("queued", 0, None)
        assert queued_messages(broker_url) == 1, "it is published, not left to the sweeper"

        assert cli.run("quarantine", "discard", b) == "Discarded 1 job.\n"
        row = results_by_id(client)[b]
        assert (row.state, row.text) == ("quarantined", None)
        assert row.error is not None
        assert row.error.startswith("discarded by ") and row.error.endswith(ERROR)

        assert "is queued, not quarantined" in cli.error("quarantine", "replay", a)
        assert f"The text of job {b} was deleted" in cli.error("quarantine", "replay", b)
        assert "There is no job" in cli.error("quarantine", "discard", "0123abcd", c)
        assert "not a job id" in cli.error("quarantine", "replay", "what?")
        assert "Give jobs, or --all" in cli.error("quarantine", "replay")
        assert "either jobs or --all" in cli.error("quarantine", "discard", c, "--all")
        assert results_by_id(client)[c].state is JobState.QUARANTINED, "a refusal changes nothing"

        replayed = cli.run("quarantine", "replay", "--all", "--source", "shop")
        assert replayed == "Queued 0 jobs again.\n"
        assert cli.json("quarantine", "replay", "--all") == {"replayed": [c], "published": True}


def test_replay_while_redis_is_down_is_published_later(
    wide_cli: Cli, engine: Engine, database_url: str, broker_url: str
) -> None:
    with Client(database_url, broker_url) as client:
        (job,) = quarantine_texts(client, engine, "shop", "text")
    down = wide_cli.with_settings(broker_url=f"redis://{NOWHERE}/0")
    done = down.complete("quarantine", "replay", job)
    assert done.returncode == 0
    assert done.stderr == b"Redis is unavailable; the jobs are published once it is back.\n"
    with engine.connect() as connection:
        row = connection.execute(
            text("SELECT state, published_at FROM plumbline.jobs WHERE id = :id"), {"id": job}
        ).one()
    assert tuple(row) == ("queued", None)
