import pytest
import typer
from typer.testing import CliRunner

from plumbline.cli.command_group import app as commands
from plumbline.usage_errors import VisibleCommand
from plumbline_client.visible import is_safe

HOSTILE = "\x1b[31m\x9b2J\u202e\u200b[red]"


@pytest.fixture
def alone() -> typer.Typer:
    app = typer.Typer()

    @app.command(cls=VisibleCommand)
    def run(count: int = 1) -> None:
        raise typer.BadParameter(f"{count} of {HOSTILE}")

    return app


@pytest.mark.parametrize("arguments", [[f"--{HOSTILE}"], [HOSTILE], ["--count", HOSTILE], []])
def test_a_command_alone_quotes_its_arguments_visibly(
    alone: typer.Typer, arguments: list[str]
) -> None:
    ended = CliRunner().invoke(alone, arguments)
    assert ended.exit_code == 2
    assert all(map(is_safe, ended.output.replace("\n", "")))


@pytest.mark.parametrize(
    "arguments", [[f"--{HOSTILE}"], [HOSTILE], ["results", f"--{HOSTILE}"], ["cancel", "--why"]]
)
def test_the_groups_quote_their_arguments_visibly(arguments: list[str]) -> None:
    ended = CliRunner().invoke(commands, arguments)
    assert ended.exit_code == 2
    assert all(map(is_safe, ended.output.replace("\n", "")))
