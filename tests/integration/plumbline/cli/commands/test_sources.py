"""`plumbline sources` in this process, on a real PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from plumbline.cli.commands import sources
from plumbline.errors import OptionInvalid
from plumbline_client.errors import SourceInvalid
from tests.roles import role

Run = Callable[..., str]


@pytest.fixture
def run(database_url: str, broker_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command, and return what it prints; raise what it raises."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLUMBLINE_DATABASE_URL", database_url)
    monkeypatch.setenv("PLUMBLINE_BROKER_URL", broker_url)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(sources.app, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    return run


@pytest.fixture
def billing(database_url: str) -> Iterator[str]:
    """A role that may not submit."""
    with role(database_url) as (name, _):
        yield name


def as_json(printed: str) -> Any:
    return json.loads(printed)


def test_a_source_is_bound_listed_and_released(run: Run, billing: str) -> None:
    bound = as_json(run("bind", "billing", "--role", billing, "--queue", "--json"))
    grant, acl, queues = bound["next"]
    assert grant == f'In PostgreSQL: GRANT plumbline_producer TO "{billing}";'
    assert acl.startswith(
        "In Redis, or with a new password from `plumbline redis acl --source billing`: "
        "ACL SETUSER producer-billing on >PASSWORD "
    )
    assert "~plumbline:plumbline.score@billing" in acl
    assert "~plumbline:plumbline.score " not in acl, "the list of everybody"
    assert queues.endswith("to the queues plumbline.score@billing and plumbline.bulk@billing.")
    (source,) = as_json(run("--json"))["sources"]
    assert (source["name"], source["roles"], source["queue"]) == ("billing", [billing], True)
    assert billing in run()
    assert "is released" in run("unbind", "billing")
    with pytest.raises(SourceInvalid, match="is not bound to that"):
        run("unbind", "billing")
    assert "released" in run()


def test_an_installation_is_open_until_it_is_closed(run: Run) -> None:
    assert run().startswith("The installation is open: everybody may use")
    assert as_json(run("close", "--json")) == {"closed": True}
    assert as_json(run("--json"))["closed"] is True
    assert run().startswith("The installation is closed: only operators")
    assert run("open").startswith("The installation is open")


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (["billing"], OptionInvalid, "Name what the source is bound to: --role ROLE, --queue, or"),
        (["x", "--role", "absent"], OptionInvalid, 'PostgreSQL has no role "absent"; create it'),
        (["two words", "--queue"], SourceInvalid, "has a name of at most 100 letters"),
        (["", "--queue"], SourceInvalid, "The source is empty."),
        (["x" * 201, "--role", "plumbline_producer"], SourceInvalid, "has 201 characters"),
    ],
)
def test_what_cannot_be_bound_is_refused_in_one_sentence(
    run: Run, arguments: list[str], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        run("bind", *arguments)
    assert as_json(run("--json"))["sources"] == []
