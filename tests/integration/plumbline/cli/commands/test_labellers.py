"""`plumbline labellers` in this process, on a real PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from plumbline.cli.commands import labellers
from plumbline.errors import OptionInvalid
from plumbline_client.errors import SourceInvalid

Run = Callable[..., str]
TEAM = ("support", "--role", "plumbline_reader")


@pytest.fixture
def run(database_url: str, broker_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command, and return what it prints; raise what it raises."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLUMBLINE_DATABASE_URL", database_url)
    monkeypatch.setenv("PLUMBLINE_BROKER_URL", broker_url)

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(labellers.app, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    return run


def test_names_are_granted_listed_and_revoked(run: Run) -> None:
    assert run() == "No name is granted: every role labels under its own.\n"
    granted = {"name": "support", "kind": "role", "grantee": "plumbline_reader"}
    assert json.loads(run("grant", *TEAM, "--json")) == granted
    assert "may label as support" in run("grant", "support", "--source", "mail")
    records = json.loads(run("--json"))["labellers"]
    assert [(record["kind"], record["grantee"]) for record in records] == [
        ("role", "plumbline_reader"),
        ("source", "mail"),
    ]
    assert "plumbline_reader" in run()
    assert json.loads(run("revoke", *TEAM, "--json")) == granted
    with pytest.raises(SourceInvalid, match="nothing was changed"):
        run("revoke", *TEAM)


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (["support"], OptionInvalid, "Name who labels under this name: --role ROLE or --source"),
        ([*TEAM, "--source", "mail"], OptionInvalid, "Name who labels under this name"),
        (["support", "--role", "absent"], OptionInvalid, 'has no role "absent"'),
        (["", "--source", "mail"], SourceInvalid, "The name of the labeller is empty"),
    ],
)
def test_a_grant_names_one_grantee(
    run: Run, arguments: list[str], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        run("grant", *arguments)
