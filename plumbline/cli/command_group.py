"""The commands of `plumbline`: only the module of the one that runs is imported."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from plumbline.cli.output.broken_pipe import exit_after_broken_pipe
from plumbline.usage_errors import visible_usage_errors
from plumbline.version import __version__


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """Where a command is defined, `module:attribute`, and its line in `plumbline --help`.

    The attribute is a function, or a `typer.Typer` for a group of commands.
    """

    location: str
    help: str
    context_settings: Mapping[str, Any] = field(default_factory=dict)

    def load(self, name: str) -> Any:
        """Import the command; return the Click object that typer makes of it."""
        module, _, attribute = self.location.partition(":")
        target = getattr(import_module(f"plumbline.cli.commands.{module}"), attribute)
        if not gc.isenabled():
            # What was imported stays, so the search for garbage may pass over it.
            gc.freeze()
            gc.enable()
        parent = typer.Typer(add_completion=False)
        # A parent without a callback and with a single command would become that command.
        parent.callback()(_no_options)
        if isinstance(target, typer.Typer):
            parent.add_typer(target, name=name)
        else:
            parent.command(name, context_settings=dict(self.context_settings))(target)
        group = typer.main.get_command(parent)
        assert isinstance(group, TyperGroup)
        return group.commands[name]


# `training` reads the arguments of retrain, --help among them.
PASS_THROUGH = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}

COMMANDS = {
    "up": LazyCommand("up:up", "Run servers, workers and beat on this machine, until Ctrl-C."),
    "demo": LazyCommand(
        "demo:demo", "Score bundled texts, from the client to a drift report, and stop everything."
    ),
    "submit": LazyCommand("submit:submit", "Accept the texts of a file and have them scored."),
    "cancel": LazyCommand(
        "cancel:cancel",
        "Cancel jobs that are still queued: those of the arguments, or all of a source.",
    ),
    "results": LazyCommand(
        "results:results",
        "Show the results of texts, newest first, or draw a sample of scored texts to label.",
    ),
    "show": LazyCommand("show:show", "Show everything about one job."),
    "score": LazyCommand(
        "score:score", "Score one text on this machine, without queue or database."
    ),
    "status": LazyCommand(
        "status:status",
        "Show queue, workers and serving versions. Exit 1 if PostgreSQL or Redis is down.",
    ),
    "health": LazyCommand(
        "health:health", "Report whether the system is live, ready and making progress. For probes."
    ),
    "label": LazyCommand(
        "label:label", "Store the true labels of texts, for `retrain --from-labels` to learn from."
    ),
    "alerts": LazyCommand(
        "alerts:alerts", "List the open alerts, then the most recently resolved ones."
    ),
    "retrain": LazyCommand(
        "retrain:retrain",
        "Train the next model version. `plumbline retrain --help` lists the options.",
        PASS_THROUGH,
    ),
    "settings": LazyCommand(
        "settings:settings", "Show every setting with its value and purpose; secrets are masked."
    ),
    "drift": LazyCommand(
        "drift:app", "Compare recent texts and predictions with validation texts."
    ),
    "quality": LazyCommand(
        "quality:app", "Quality of the predictions: estimated, and realized by labels."
    ),
    "quarantine": LazyCommand("quarantine:app", "List, replay or discard quarantined jobs."),
    "rejected": LazyCommand("rejected:app", "List rejected messages."),
    "sources": LazyCommand(
        "sources:app", "Bind sources to roles of PostgreSQL and to lists of Redis."
    ),
    "labellers": LazyCommand(
        "labellers:app", "Let roles and sources label under other names than their own."
    ),
    "models": LazyCommand(
        "models:app", "Model versions: which exist, which serve, which served before."
    ),
    "redis": LazyCommand("redis:app", "Print what an administrator of Redis needs."),
    "db": LazyCommand("db:app", "Upgrade and check the tables; purge old texts."),
}


class CommandGroup(TyperGroup):
    """The commands of `COMMANDS`. A reader that closes the pipe of their output is not an error."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        # These show their line of help; `resolve_command` imports the one that runs.
        for name, command in COMMANDS.items():
            self.add_command(TyperCommand(name, help=command.help))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, COMMANDS[name].load(name) if name else command, rest

    def make_context(self, *args: Any, **extra: Any) -> Any:
        with visible_usage_errors():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        try:
            with visible_usage_errors():
                return super().invoke(ctx)
        except BrokenPipeError:
            # Click would report it as a failure.
            exit_after_broken_pipe()


app = typer.Typer(
    name="plumbline",
    cls=CommandGroup,
    help="Score texts: each accepted text is scored exactly once or ends in a row with the reason.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def print_version(requested: bool) -> None:
    if requested:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def common_options(
    version: Annotated[
        bool,
        # Eager: typer imports pydantic for the options that follow.
        typer.Option("--version", help="Print the version.", callback=print_version, is_eager=True),
    ] = False,
) -> None:
    pass


def _no_options() -> None:
    pass
