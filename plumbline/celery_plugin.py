"""A plug-in of the `celery` command, loaded whenever that command runs (group `celery.commands`).

Loading the plug-in is the one moment before Celery parses its options. For `-A worker`, that moment
is used four times:

- Celery puts the current folder first on the import path, so a `worker.py` there hides Plumbline's
  package of that name, and Celery would only complain about a missing attribute.
- Celery's options have environment variables, which another program may have set.
- Logs and reports are for the user of the worker alone.
- A broker or configuration on the command line would take precedence over Plumbline's settings.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from importlib.machinery import PathFinder
from pathlib import Path

import click

from plumbline import celery_environment
from plumbline.private_files import UMASK
from plumbline.version import __version__
from plumbline.warning_filters import disarm_warnings
from plumbline_client.visible import one_line

APP = "worker"
# Spellings of an option, and what is to be used instead.
REFUSED_OPTIONS = {
    ("-b", "--broker"): "the broker is PLUMBLINE_BROKER_URL",
    ("--result-backend",): "results are in PostgreSQL, PLUMBLINE_DATABASE_URL",
    ("--config",): "Plumbline's settings are PLUMBLINE_ variables",
    ("--loader",): "Plumbline's settings are PLUMBLINE_ variables",
}
# Commands that ask or order workers by remote control, to which no worker listens.
REFUSED_COMMANDS = ("inspect", "control", "status", "events")
# Options of `celery` itself that a value follows.
VALUE_OPTIONS = (
    "-A",
    "--app",
    "-b",
    "--broker",
    "--result-backend",
    "--loader",
    "--config",
    "--workdir",
)
# What click accepts as the value of a flag.
FLAG_VALUES = {"0", "1", "t", "f", "y", "n", "on", "off", "yes", "no", "true", "false"}
WORKER = Path(__file__).resolve().parents[1] / APP / "__init__.py"


def option(arguments: Sequence[str], *names: str) -> str | None:
    """Return the value of a command-line option, in any of the spellings that click accepts."""
    for position, argument in enumerate(arguments):
        for name in names:
            if argument == name:
                return "".join(arguments[position + 1 : position + 2])
            if name.startswith("--") and argument.startswith(f"{name}="):
                return argument.removeprefix(f"{name}=")
            if not name.startswith("--") and argument.startswith(name):
                return argument.removeprefix(name).removeprefix("=")
    return None


def names_plumbline(arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Return whether the command is for the app `worker`."""
    app = option(arguments, "-A", "--app")
    if app is None:
        app = environment.get("APP") or environment.get("CELERY_APP") or ""
    return app.partition(":")[0].partition(".")[0] == APP


def refusal(arguments: Sequence[str]) -> str | None:
    """Return a sentence about an option that precedes Plumbline's settings, or a dead command."""
    for names, instead in REFUSED_OPTIONS.items():
        if option(arguments, *names) is not None:
            return f"`celery -A {APP}` takes no {names[-1]}, since {instead}; leave the option out."
    command = subcommand(arguments)
    if command in REFUSED_COMMANDS:
        return (
            f"`celery -A {APP} {command}` has no answer, since Plumbline's workers have no remote "
            "control; use `plumbline status` and `plumbline health`, and signals for a shutdown."
        )
    return None


def subcommand(arguments: Sequence[str]) -> str | None:
    """Return the command of `celery`, which is the first argument that belongs to no option."""
    follows_option = False
    for argument in arguments:
        if not follows_option and not argument.startswith("-"):
            return argument
        follows_option = not follows_option and argument in VALUE_OPTIONS
    return None


def clean(environment: MutableMapping[str, str]) -> None:
    """Remove what configures Celery, and make NO_COLOR, which may have any value, one for click."""
    celery_environment.clean(environment)
    if (value := environment.get("NO_COLOR")) and value.lower() not in FLAG_VALUES:
        environment["NO_COLOR"] = "1"


def shadowing_module(arguments: Sequence[str], path: Sequence[str]) -> str | None:
    """Return the file that `-A worker` would import instead of Plumbline's package, if any."""
    if not names_plumbline(arguments, os.environ):
        return None
    folder = option(arguments, "--workdir") or "."
    spec = PathFinder.find_spec(APP, [str(Path(folder).resolve()), *path])
    if spec is None or spec.origin is None or Path(spec.origin).resolve() == WORKER:
        return None
    return spec.origin


@click.command()
def plumbline() -> None:
    """Print the version of Plumbline and the location of its worker."""
    click.echo(one_line(f"plumbline-scoring {__version__} ({WORKER.parent})"))


def prepare(arguments: Sequence[str]) -> None:
    """Prepare this process for `-A worker`. Raise SystemExit if the command cannot work."""
    if not names_plumbline(arguments, os.environ):
        return
    clean(os.environ)
    disarm_warnings()
    # Before Celery opens a log.
    os.umask(UMASK)
    if module := shadowing_module(arguments, sys.path):
        raise SystemExit(
            f"`-A {APP}` would import {one_line(module)}, which is not Plumbline's package {APP}; "
            "start Celery in another folder, or name one with --workdir."
        )
    if sentence := refusal(arguments):
        raise SystemExit(sentence)


prepare(sys.argv[1:])
