"""`plumbline models promote, rollback, shadow, canary` as a person uses them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from plumbline_client import Client
from scoring.artifact.config import ScoringConfig
from scoring.artifact.manifest import Manifest, hashes
from storage.serving import deployments
from storage.serving.deployments import Serving, in_canary_share
from tests.artifacts import FAILED, PASSED, version_record, write_artifact, write_copy
from tests.command import Cli
from tests.waiting import eventually
from tests.workers import start_worker

A, B, C = (f"sms-spam/1.{minor}.0" for minor in range(3))


@pytest.fixture
def three_versions(tmp_path: Path) -> Path:
    """A models folder with A and B, which passed their gates, and C, which failed them."""
    for model, gates in ((A, PASSED), (B, PASSED), (C, FAILED)):
        write_copy(tmp_path / "models", model.partition("/")[2], gates)
    return tmp_path / "models"


@pytest.fixture
def serving_cli(cli: Cli, three_versions: Path) -> Cli:
    return cli.with_settings(models_dir=three_versions).with_columns(160)


def promote(engine: Engine, models_dir: Path, *models: str) -> None:
    with engine.begin() as connection:
        for model in models:
            record = version_record(models_dir, model)
            deployments.promote(connection, record, deployed_by="ann", reason="old")


def serving(engine: Engine) -> Serving | None:
    with engine.connect() as connection:
        return deployments.serving(connection)


def live(cli: Cli) -> str | None:
    model: str | None = cli.json("models", "list")["live"]
    return model


def test_promote_and_roll_back(cli: Cli, two_versions: Path) -> None:
    cli = cli.with_settings(models_dir=two_versions)
    assert "a rollback is not possible" in cli.error("models", "rollback")
    assert cli.json("models", "promote", "sms-spam/1.0.0", "--reason", "first") == {
        "live": "sms-spam/1.0.0",
        "before": None,
        "forced": False,
    }
    assert "live already" in cli.error("models", "promote", "sms-spam/1.0.0")
    assert "sms-spam/1.0.1" in cli.run("models", "promote", "sms-spam", "--reason", "newer")
    assert live(cli) == "sms-spam/1.0.1"
    rolled_back = cli.json("models", "rollback")
    assert (rolled_back["live"], rolled_back["before"]) == ("sms-spam/1.0.0", "sms-spam/1.0.1")
    history = cli.json("models", "show", "sms-spam/1.0.0")["deployments"]
    assert [entry["reason"] for entry in history] == ["rolled back from sms-spam/1.0.1", "first"]
    assert all(entry["deployed_by"] for entry in history)


@pytest.mark.parametrize(
    ("gates", "status", "reason"),
    [
        (FAILED, "failed", "f1 is 0.85; the gate requires at least 0.9"),
        ((), "none", "sms-spam/1.0.2 was never gated"),
    ],
)
def test_version_that_did_not_pass_its_gates_is_promoted_only_by_force(
    cli: Cli, two_versions: Path, gates: tuple[Any, ...], status: str, reason: str
) -> None:
    cli = cli.with_settings(models_dir=two_versions)
    write_copy(two_versions, "1.0.2", gates)
    cli.run("models", "promote", "sms-spam/1.0.0")
    for arguments in ((), ("--json",)):
        sentence = cli.error("models", "promote", "sms-spam/1.0.2", *arguments)
        assert reason in sentence
        assert "--force" in sentence
    assert live(cli) == "sms-spam/1.0.0"
    listed = cli.json("models", "list")["models"]
    assert [version["gates"] for version in listed] == ["passed", "passed", status]
    assert status in cli.run("models", "list")

    forced = cli.complete(
        "models", "promote", "sms-spam/1.0.2", "--force", "--reason", "in a hurry"
    )
    assert reason in forced.stderr.decode()
    assert live(cli) == "sms-spam/1.0.2"
    printed = cli.run("models", "show", "sms-spam/1.0.2")
    assert "despite its gates: in a hurry" in printed
    (deployed,) = cli.json("models", "show", "sms-spam/1.0.2")["deployments"]
    assert deployed["forced"] is True

    assert cli.json("models", "promote", "sms-spam/1.0.1", "--force")["forced"] is False
    assert cli.json("models", "rollback")["live"] == "sms-spam/1.0.2", (
        "a version that served before needs no force"
    )


def test_version_that_cannot_score_is_not_promoted_even_by_force(
    cli: Cli, two_versions: Path
) -> None:
    cli = cli.with_settings(models_dir=two_versions)
    write_artifact(two_versions, "tiny")
    sentence = cli.error("models", "promote", "tiny/1.0.0", "--force")
    assert sentence.startswith("tiny/1.0.0 cannot score a text, so it cannot serve: ")
    assert live(cli) is None


def test_refusal_is_one_sentence_and_changes_nothing(
    serving_cli: Cli, three_versions: Path, engine: Engine
) -> None:
    assert "No version is live yet, and a shadow needs one" in serving_cli.error(
        "models", "shadow", B
    )
    promote(engine, three_versions, A)
    write_artifact(three_versions, "tiny")
    for arguments, sentence in (
        (("shadow", A), f"{A} is live; the shadow must be another version."),
        (("shadow", "tiny"), "tiny/1.0.0 cannot score a text, so it cannot serve: "),
        (("canary", B), "Give the share of jobs that it answers, for example --share 0.1."),
        (("canary", C, "--share", "0.1"), "f1 is 0.85; the gate requires at least 0.9"),
        (("canary", "--off"), "The canary is off already."),
    ):
        assert sentence in serving_cli.error("models", *arguments)
    assert serving(engine) == Serving(A)


def test_version_of_another_task_is_deployed_only_by_force(cli: Cli, two_versions: Path) -> None:
    tweets = write_copy(two_versions, "1.0.0", PASSED, name="tweets")
    config = tweets / "config.json"
    replace(ScoringConfig.read(config), labels=("calm", "angry")).write(config)
    manifest = Manifest.read(tweets)
    replace(manifest, files=hashes(tweets, list(manifest.files))).write(tweets)
    cli = cli.with_settings(models_dir=two_versions)
    cli.run("models", "promote", "sms-spam/1.0.0")
    change = (
        "sms-spam/1.0.0, which is live, has the classes ham and spam, and tweets/1.0.0 has calm "
        "and angry"
    )
    for role in (("promote",), ("shadow",), ("canary", "--share", "0.1")):
        sentence = cli.error("models", *role, "tweets")
        assert sentence.startswith(change)
        assert "--force" in sentence
    assert live(cli) == "sms-spam/1.0.0"
    forced = cli.complete("models", "promote", "tweets", "--force", "--json")
    assert change in forced.stderr.decode()
    assert live(cli) == "tweets/1.0.0"
    assert cli.json("models", "rollback")["live"] == "sms-spam/1.0.0"


def test_shadow_and_canary_from_start_to_promotion(
    serving_cli: Cli, three_versions: Path, engine: Engine
) -> None:
    cli = serving_cli
    promote(engine, three_versions, A)
    # A shadow answers no job, so its gates are not checked.
    assert cli.json("models", "shadow", C) == {"live": A, "shadow": C, "before": None}
    printed = cli.run("models", "canary", B, "--share", "0.1", "--reason", "dare")
    assert printed == f"The canary is now {B}, for 10% of jobs; before it was off.\n"
    increased = cli.json("models", "canary", B, "--share", "0.25")
    assert (increased["canary"], increased["canary_share"], increased["forced"]) == (B, 0.25, False)
    assert serving(engine) == Serving(A, C, B, 0.25)

    status = cli.json("status")
    assert (status["live_model"], status["shadow_model"]) == (A, C)
    assert (status["canary_model"], status["canary_share"]) == (B, 0.25)
    listed = cli.json("models", "list")
    assert (listed["live"], listed["shadow"], listed["canary_share"]) == (A, C, 0.25)
    assert [version["canary"] for version in listed["models"]] == [False, True, False]
    rows = [line.split() for line in cli.run("models", "list").splitlines() if "sms-spam" in line]
    assert [row[1] for row in rows] == ["live", "canary", "shadow"]
    shown = cli.run("models", "show", B)
    assert "Canary for 10% of jobs" in shown and ": dare" in shown

    assert cli.run("models", "promote", B).splitlines() == [
        f"Live is now {B}; before it was {A}.",
        f"The canary is off; it was {B}, for 25% of jobs.",
        f"The shadow is off; it was {C}.",
    ]
    forced = cli.complete("models", "canary", C, "--share", "0.5", "--force")
    assert forced.returncode == 0
    assert b"despite its gates: f1 is 0.85" in forced.stderr
    assert cli.run("models", "canary", "--off") == (
        f"The canary is now off; before it was {C}, for 50% of jobs.\n"
    )
    assert serving(engine) == Serving(B)


def test_second_rollback_goes_further_back(
    serving_cli: Cli, three_versions: Path, engine: Engine
) -> None:
    promote(engine, three_versions, A, B, C)
    assert serving_cli.run("models", "rollback") == f"Live is now {B}; before it was {C}.\n"
    assert serving_cli.run("models", "rollback") == f"Live is now {A}; before it was {B}.\n"
    assert "a rollback is not possible" in serving_cli.error("models", "rollback")
    with engine.connect() as connection:
        newest = deployments.history(connection)[0]
    assert (newest.action, newest.reason) == ("rollback", f"rolled back from {B}")


def test_running_worker_follows_a_new_shadow_and_canary(
    serving_cli: Cli,
    three_versions: Path,
    database_url: str,
    broker_url: str,
    engine: Engine,
    tmp_path: Path,
) -> None:
    promote(engine, three_versions, A)
    settings = {"models_dir": three_versions}
    with (
        start_worker(database_url, broker_url, tmp_path, concurrency=1, settings=settings),
        Client(database_url, broker_url) as client,
    ):
        serving_cli.run("models", "shadow", C)
        serving_cli.run("models", "canary", B, "--share", "0.5")
        ids = [receipt.job_id for receipt in client.submit_many(f"win {n}" for n in range(30))]
        assert {row.job_id: row.model for row in client.wait(ids)} == {
            job: B if in_canary_share(job, 0.5) else A for job in ids
        }
        job = next(job for job in ids if not in_canary_share(job, 0.5))

        def roles() -> list[tuple[str, str]]:
            predictions = serving_cli.json("show", str(job))["predictions"]
            return [(prediction["role"], prediction["model"]) for prediction in predictions]

        # Live predictions come first; a worker that drains skips the shadow.
        eventually(lambda: roles() == [("live", A), ("shadow", C)])
