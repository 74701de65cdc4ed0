"""A plug-in of the `celery` command, loaded whenever that command runs (group `celery.commands`).

Celery puts the current folder first on the import path, so a `worker.py` there hides Plumbline's
package of that name, and Celery would only complain about a missing attribute. Loading the plug-in
is the one moment at which Plumbline can report the cause.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import PathFinder
from pathlib import Path

import click

from plumbline.version import __version__

APP = "worker"
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


def shadowing_module(arguments: Sequence[str], path: Sequence[str]) -> str | None:
    """Return the file that `-A worker` would import instead of Plumbline's package, if any."""
    app = option(arguments, "-A", "--app") or os.environ.get("APP", "")
    if app.partition(":")[0].partition(".")[0] != APP:
        return None
    folder = option(arguments, "--workdir") or "."
    spec = PathFinder.find_spec(APP, [str(Path(folder).resolve()), *path])
    if spec is None or spec.origin is None or Path(spec.origin).resolve() == WORKER:
        return None
    return spec.origin


@click.command()
def plumbline() -> None:
    """Print the version of Plumbline and the location of its worker."""
    click.echo(f"plumbline-scoring {__version__} ({WORKER.parent})")


if module := shadowing_module(sys.argv[1:], sys.path):
    raise SystemExit(
        f"`-A {APP}` would import {module}, which is not Plumbline's package {APP}; start Celery "
        "in another folder, or name one with --workdir."
    )
