"""The list of commands, and the one place where an error becomes a sentence and an exit code."""

from __future__ import annotations

import io
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from plumbline.cli.commands import (
    alerts,
    cancel,
    db,
    demo,
    drift,
    health,
    label,
    models,
    quality,
    quarantine,
    results,
    retrain,
    score,
    settings,
    show,
    status,
    submit,
    up,
)
from plumbline.cli.output.console import end_quietly
from plumbline.version import __version__
from plumbline_client.errors import PlumblineError, StorageError
from scoring.errors import ScoringError


class Commands(TyperGroup):
    """Commands whose answer may be piped into something that stops reading."""

    def invoke(self, ctx: Any) -> Any:
        try:
            answer = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            end_quietly()
        return answer


app = typer.Typer(
    name="plumbline",
    cls=Commands,
    help="Hand over texts, and each is scored exactly once or ends in a row that says why not.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=print_version)
    ] = False,
) -> None:
    pass


app.command()(up.up)
app.command()(demo.demo)
app.command()(submit.submit)
app.command()(cancel.cancel)
app.command()(results.results)
app.command()(show.show)
app.command()(score.score)
app.command()(status.status)
app.command()(health.health)
app.command()(label.label)
app.add_typer(drift.app, name="drift")
app.add_typer(quality.app, name="quality")
app.command()(alerts.alerts)
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(models.app, name="models")
app.command(context_settings=retrain.PASS_EVERYTHING_ON)(retrain.retrain)
app.add_typer(db.app, name="db")
app.command()(settings.settings)


def main() -> None:
    """Run a command. Exit 1 with one sentence for what a person can put right, 130 on Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character shows its escape instead.
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except (PlumblineError, StorageError, ScoringError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from error
