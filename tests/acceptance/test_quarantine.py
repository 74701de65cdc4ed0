"""`plumbline quarantine` as a person uses it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import cast

import pytest
import redis
from sqlalchemy import Engine, text

from plumbline.queues import KEY_PREFIX, SCORE_QUEUE
from plumbline_client import Client
from plumbline_client.results import Result
from tests import command
from tests.workers import environment

ERROR = "given up after 3 attempts: its worker process died by SIGSEGV"


class Shell:
    """Runs `plumbline quarantine ...` on the test's servers."""

    def __init__(self, database_url: str, broker_url: str, folder: Path) -> None:
        self._environment = environment(database_url, broker_url, folder) | {"COLUMNS": "200"}
        self._folder = folder

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [command.PLUMBLINE, "quarantine", *arguments],
            env=self._environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def refused(self, *arguments: str) -> str:
        done = self(*arguments)
        assert done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1, done
        return done.stderr


@pytest.fixture
def shell(database_url: str, broker_url: str, tmp_path: Path) -> Shell:
    return Shell(database_url, broker_url, tmp_path)


def set_aside(client: Client, engine: Engine, source: str, *texts: str) -> list[str]:
    """Texts in quarantine as the sweeper leaves them; their ids."""
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


def states(client: Client) -> dict[str, Result]:
    return {str(row.job_id): row for row in client.results(limit=None)}


def waiting(broker_url: str) -> int:
    with redis.Redis.from_url(broker_url) as queues:
        return cast(int, queues.llen(KEY_PREFIX + SCORE_QUEUE))


def test_list_replay_discard(
    shell: Shell, engine: Engine, database_url: str, broker_url: str
) -> None:
    with Client(database_url, broker_url) as client:
        assert shell("list").stdout == "Nothing is in quarantine.\n"
        a, b = set_aside(client, engine, "shop", "first", "second\x1b[31m")
        (c,) = set_aside(client, engine, "mail", "third")
        with redis.Redis.from_url(broker_url) as queues:
            queues.flushall()

        listed = shell("list").stdout
        assert a[:8] in listed and c[:8] in listed and "SIGSEGV" in listed
        assert "\x1b" not in listed
        found = json.loads(shell("list", "--source", "shop", "--json").stdout)["quarantined"]
        assert {job["id"] for job in found} == {a, b}
        assert {(job["attempts"], job["error"]) for job in found} == {(3, ERROR)}

        assert shell("replay", a[:8]).stdout == "1 job is queued again.\n"
        row = states(client)[a]
        assert (row.state, row.attempts, row.error) == ("queued", 0, None)
        assert waiting(broker_url) == 1, "it is published, not left to the sweeper"

        assert shell("discard", b).stdout == "1 job is discarded.\n"
        row = states(client)[b]
        assert (row.state, row.text) == ("quarantined", None)
        assert row.error is not None
        assert row.error.startswith("discarded by ") and row.error.endswith(ERROR)

        assert "is queued, not quarantined" in shell.refused("replay", a)
        assert "not kept any more" in shell.refused("replay", b)
        assert "There is no job" in shell.refused("discard", "0123abcd", c)
        assert "no job id" in shell.refused("replay", "what?")
        assert "give jobs, or --all" in shell.refused("replay")
        assert "either jobs or --all" in shell.refused("discard", c, "--all")
        assert states(client)[c].state == "quarantined", "a refusal changes nothing"

        assert shell("replay", "--all", "--source", "shop").stdout == "0 jobs are queued again.\n"
        done = json.loads(shell("replay", "--all", "--json").stdout)
        assert done == {"replayed": [c], "published": True}


def test_a_replay_while_redis_is_away_waits_for_it(
    engine: Engine, database_url: str, broker_url: str, tmp_path: Path
) -> None:
    with Client(database_url, broker_url) as client:
        (job,) = set_aside(client, engine, "shop", "text")
        done = Shell(database_url, "redis://127.0.0.1:1/0", tmp_path)("replay", job)
        assert done.returncode == 0
        assert done.stderr == "Redis is away; they are published when it is back.\n"
        with engine.connect() as connection:
            row = connection.execute(
                text("SELECT state, published_at FROM plumbline.jobs WHERE id = :id"), {"id": job}
            ).one()
        assert tuple(row) == ("queued", None)
