"""`plumbline up`: everything on this machine, until Ctrl-C."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from plumbline.cli.output.console import Json, out, print_json
from plumbline.cli.output.progress import Narration
from plumbline.services import address_file
from plumbline.settings import Settings

if TYPE_CHECKING:
    from plumbline.embedded.stack import Stack

SHOWN = {"model": "live_model", "database": "database_url", "broker": "broker_url"}
NEXT = (
    "submit texts.csv --text-column text --wait",
    "results",
    "status --watch",
    "drift show",
)


def up(as_json: Json = False) -> None:
    """Run servers, workers and beat on this machine, until Ctrl-C."""
    # Celery and SQLAlchemy, which no other command should wait for.
    from plumbline.embedded.stack import POLL_S, stack

    narration = Narration()
    ready = False
    try:
        with stack(Settings.read(), narration) as running:
            ready = True
            if as_json:
                print_json(described(running))
            else:
                out.print(panel(running))
            while True:
                running.supervise()
                time.sleep(POLL_S)
    except KeyboardInterrupt:
        # Ctrl-C is how this command ends well; before it was ready, it was cut short.
        if not ready:
            raise
        narration.done()
    finally:
        narration.stopped()


def described(running: Stack) -> dict[str, object]:
    """What a program needs to know; the URLs with their passwords are in `address_file`."""
    from plumbline_client.urls import masked

    settings = running.settings
    assert settings.database_url is not None and settings.broker_url is not None
    return {
        "ready": True,
        "live_model": running.live_model,
        "database_url": masked(settings.database_url.get_secret_value()),
        "broker_url": masked(settings.broker_url.get_secret_value()),
        "address_file": address_file(settings),
        "state_dir": settings.state_dir,
        "logs": settings.state_dir / "logs",
        "pid": os.getpid(),
    }


def panel(running: Stack) -> Panel:
    """Where things are, and what to type next."""
    told = described(running)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for title, name in SHOWN.items():
        grid.add_row(title, Text(str(told[name])))
    grid.add_row("logs", Text(from_here(running.settings.state_dir / "logs")))
    grid.add_row()
    grid.add_row("next", "In another terminal, in this folder:")
    for arguments in NEXT:
        grid.add_row("", Text(f"{program()} {arguments}"))
    grid.add_row("", "Ctrl-C here drains and stops everything.")
    return Panel(grid, title="Plumbline runs", title_align="left", border_style="green")


def program() -> str:
    """How this command is typed here: by its name where PATH finds it, else by its path."""
    ours = Path(sys.argv[0])
    on_path = shutil.which(ours.name)
    if on_path is not None and Path(on_path).resolve() == ours.resolve():
        return ours.name
    return shlex.quote(from_here(ours))


def from_here(path: Path) -> str:
    """The path as one would type it in the current folder."""
    absolute = path.absolute()
    below = absolute.is_relative_to(Path.cwd())
    return str(absolute.relative_to(Path.cwd()) if below else absolute)
