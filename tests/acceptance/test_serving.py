"""`plumbline models promote, rollback, shadow, canary` as a person uses them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from plumbline_client import Client
from storage.serving import deployments
from storage.serving.deployments import Serving, in_canary_share
from tests import command
from tests.artifacts import FAILED, PASSED, write_artifact, write_copy
from tests.waiting import eventually
from tests.workers import environment, worker

A, B, C = (f"sms-spam/1.{minor}.0" for minor in range(3))


class Shell:
    """Runs `plumbline ...` on the test's servers, with a folder of models of the test's own."""

    def __init__(self, database_url: str, broker_url: str, folder: Path) -> None:
        self.models_dir = folder / "models"
        for model, gates in ((A, PASSED), (B, PASSED), (C, FAILED)):
            write_copy(self.models_dir, model.partition("/")[2], gates)
        self._environment = environment(
            database_url, broker_url, folder, {"models_dir": self.models_dir}
        ) | {"COLUMNS": "160"}
        self._folder = folder

    def done(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [command.PLUMBLINE, *arguments],
            env=self._environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code and "Traceback" not in done.stderr, done.stderr
        return done

    def models(self, *arguments: str) -> str:
        return self.done("models", *arguments).stdout

    def json(self, *arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.done(*arguments, "--json").stdout)
        return found

    def refused(self, *arguments: str) -> str:
        done = self.done("models", *arguments, code=1)
        assert done.stdout == "" and done.stderr.count("\n") == 1, done
        return done.stderr


@pytest.fixture
def shell(database_url: str, broker_url: str, tmp_path: Path) -> Shell:
    return Shell(database_url, broker_url, tmp_path)


def promote(engine: Engine, *models: str) -> None:
    with engine.begin() as connection:
        for model in models:
            deployments.promote(
                connection, model, manifest_sha256="", metrics={}, deployed_by="ann", reason="old"
            )


def serving(engine: Engine) -> Serving | None:
    with engine.connect() as connection:
        return deployments.serving(connection)


def test_what_cannot_serve_is_refused_in_one_sentence(shell: Shell, engine: Engine) -> None:
    assert "Nothing is live yet, so there is nothing a shadow could" in shell.refused("shadow", B)
    promote(engine, A)
    write_artifact(shell.models_dir, "tiny")
    for arguments, says in (
        (("shadow", A), f"{A} is live, and a shadow is another version."),
        (("shadow", "tiny"), "tiny/1.0.0 cannot score a text, so it does not serve: "),
        (("canary", B), "Say what share of jobs it answers, as in --share 0.1."),
        (("canary", C, "--share", "0.1"), "f1 is 0.85, and at least 0.9 is wanted"),
        (("canary", "--off"), "The canary is off already."),
    ):
        assert says in shell.refused(*arguments)
    assert serving(engine) == Serving(A)


def test_shadow_and_canary_from_first_to_last(shell: Shell, engine: Engine) -> None:
    promote(engine, A)
    # It never answers, so its gates are not asked.
    assert shell.json("models", "shadow", C) == {"live": A, "shadow": C, "before": None}
    said = shell.models("canary", B, "--share", "0.1", "--reason", "dare")
    assert said == f"The canary is now {B}, for 10% of jobs; before it was off.\n"
    more = shell.json("models", "canary", B, "--share", "0.25")
    assert (more["canary"], more["canary_share"], more["forced"]) == (B, 0.25, False)
    assert serving(engine) == Serving(A, C, B, 0.25)

    status = shell.json("status")
    assert (status["live_model"], status["shadow_model"]) == (A, C)
    assert (status["canary_model"], status["canary_share"]) == (B, 0.25)
    listed = shell.json("models", "list")
    assert (listed["live"], listed["shadow"], listed["canary_share"]) == (A, C, 0.25)
    assert [entry["canary"] for entry in listed["models"]] == [False, True, False]
    rows = [line.split() for line in shell.models("list").splitlines() if "sms-spam" in line]
    assert [row[1] for row in rows] == ["live", "canary", "shadow"]
    shown = shell.models("show", B)
    assert "Canary for 10% of jobs" in shown and ": dare" in shown

    assert shell.models("promote", B).splitlines() == [
        f"Live is now {B}; before it was {A}.",
        f"The canary is off; it was {B}, for 25% of jobs.",
        f"The shadow is off; it was {C}.",
    ]
    forced = shell.done("models", "canary", C, "--share", "0.5", "--force")
    assert "In spite of its gates: f1 is 0.85" in forced.stderr
    assert shell.models("canary", "--off") == (
        f"The canary is now off; before it was {C}, for 50% of jobs.\n"
    )
    assert serving(engine) == Serving(B)


def test_a_second_rollback_goes_further_back(shell: Shell, engine: Engine) -> None:
    promote(engine, A, B, C)
    assert shell.models("rollback") == f"Live is now {B}; before it was {C}.\n"
    assert shell.models("rollback") == f"Live is now {A}; before it was {B}.\n"
    assert "nothing to return to" in shell.refused("rollback")
    with engine.connect() as connection:
        newest = deployments.history(connection)[0]
    assert (newest.action, newest.reason) == ("rollback", f"rolled back from {B}")


def test_a_worker_obeys_without_being_told(
    shell: Shell, database_url: str, broker_url: str, engine: Engine, tmp_path: Path
) -> None:
    promote(engine, A)
    settings = {"models_dir": shell.models_dir}
    with (
        worker(database_url, broker_url, tmp_path, concurrency=1, settings=settings),
        Client(database_url, broker_url) as client,
    ):
        shell.models("shadow", C)
        shell.models("canary", B, "--share", "0.5")
        ids = [receipt.job_id for receipt in client.submit_many(f"win {n}" for n in range(30))]
        assert {row.job_id: row.model for row in client.wait(ids)} == {
            job: B if in_canary_share(job, 0.5) else A for job in ids
        }
        job = next(job for job in ids if not in_canary_share(job, 0.5))

        def roles() -> list[tuple[str, str]]:
            found = shell.json("show", str(job))["predictions"]
            return [(entry["role"], entry["model"]) for entry in found]

        # Answers come first; a worker that drains leaves the shadow out.
        eventually(lambda: roles() == [("live", A), ("shadow", C)])
