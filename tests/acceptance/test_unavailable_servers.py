"""Every command without a usable server ends with one sentence that contains no password."""

from __future__ import annotations

import uuid

import pytest

from tests.command import NOWHERE, Cli


def test_unreachable_database_is_one_sentence(cli: Cli) -> None:
    cli.write("a.txt", "hello\n")
    cli.write("l.csv", f"job_id,label\n{uuid.uuid4()},1\n")
    down = cli.with_settings(database_url=f"postgresql://me:hunter2@{NOWHERE}/x")
    for arguments in (
        ("submit", "a.txt"),
        ("submit", "a.txt", "--json"),
        ("results",),
        ("results", "--json"),
        ("show", "abcd"),
        ("drift", "list"),
        ("db", "check"),
        ("db", "upgrade"),
        ("db", "purge", "--older-than", "1d"),
        ("models", "promote", "sms-spam"),
        ("label", "l.csv"),
        ("retrain", "--from-labels"),
    ):
        sentence = down.error(*arguments)
        assert "cannot be reached" in sentence
        assert "hunter2" not in sentence
    status = down.json("status", code=1)
    assert "cannot be reached" in status["database_error"]
    assert status["queued_messages"] == 0


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nonsense", "must start with postgresql://"),
        ("mysql://host/x", "must start with postgresql://"),
        ("postgresql://host:port/x", "has no valid port; write it as postgresql://"),
    ],
)
def test_invalid_database_url_is_the_same_sentence_for_every_command(
    cli: Cli, url: str, reason: str
) -> None:
    invalid = cli.with_settings(database_url=url)
    sentence = invalid.error("submit", "--text", "hello")
    assert reason in sentence
    assert invalid.json("status", code=1)["database_error"] == sentence


def test_database_without_tables_asks_for_an_upgrade(cli: Cli, empty_database_url: str) -> None:
    empty = cli.with_settings(database_url=empty_database_url)
    for arguments in (
        ("submit", "--text", "hello"),
        ("cancel", "abcd"),
        ("results",),
        ("show", "abcd"),
        ("drift", "run"),
        ("models", "rollback"),
        ("db", "check"),
        ("db", "purge", "--older-than", "1d"),
    ):
        assert "run `plumbline db upgrade`." in empty.error(*arguments)
    assert "db upgrade" in empty.json("status", code=1)["database_error"]
    version = empty.json("db", "upgrade")["version"]
    assert empty.json("db", "upgrade")["version"] == version
    assert version in empty.run("db", "check")
    assert empty.json_lines("submit", "--text", "hello")[-1]["accepted"] == 1


def test_without_servers_the_error_names_plumbline_up(cli: Cli) -> None:
    alone = cli.with_settings(database_url="", broker_url="")
    for arguments in (("submit", "--text", "x"), ("results",), ("status",), ("drift", "run")):
        assert "start `plumbline up`" in alone.error(*arguments)
    listed = alone.json("models", "list")
    assert [model["model"] for model in listed["models"]] == ["sms-spam/1.0.0"]
    assert listed["live"] is None
    assert "plumbline up" in listed["live_error"]
    assert alone.json("models", "show", "sms-spam")["version"] == "1.0.0"
    assert alone.json("models", "verify") == {
        "models": [{"model": "sms-spam/1.0.0", "ok": True, "error": None}]
    }
    assert alone.json("score", "hello")["decision"] in ("negative", "positive", "review")
