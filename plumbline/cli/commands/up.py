"""`plumbline up`: servers, workers and beat on this machine, until Ctrl-C."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from pathlib import Path

from rich.panel import Panel
from rich.table import Table

from plumbline.cli.json_option import JsonOption
from plumbline.cli.output.console import out
from plumbline.cli.output.json_output import print_json
from plumbline.cli.output.progress import TerminalReporter
from plumbline.embedded.stack import POLL_S, Stack, stack
from plumbline.embedded.state_dir import logs_dir
from plumbline.errors import OutputUnwritable
from plumbline.redis_users import PRODUCER
from plumbline.services import address_file
from plumbline.settings import Settings
from plumbline.standard_streams import discard_output
from plumbline_client.urls import masked

PANEL_ROWS = {"model": "live_model", "database": "database_url", "broker": "broker_url"}
NEXT_COMMANDS = (
    "submit texts.csv --text-column text --wait",
    "results",
    "status --watch",
    "drift show",
)


def up(as_json: JsonOption = False) -> None:
    """Run servers, workers and beat on this machine, until Ctrl-C."""
    reporter = TerminalReporter()
    ready = False
    try:
        with stack(Settings.read(), reporter) as running:
            ready = True
            print_addresses(running, reporter, as_json)
            while True:
                running.supervise()
                time.sleep(POLL_S)
    except KeyboardInterrupt:
        # Once the system is ready, Ctrl-C is the normal way to end this command.
        if not ready:
            raise
        reporter.done()
    finally:
        reporter.cancel()


def print_addresses(running: Stack, reporter: TerminalReporter, as_json: bool) -> None:
    """Print where the servers are. The system runs on if nobody can read it."""
    try:
        if as_json:
            print_json(stack_document(running))
        else:
            out.print(stack_panel(running))
        sys.stdout.flush()
    except OutputUnwritable as error:
        discard_output()
        reporter.note(f"{error} Everything runs; the URLs are in {address_file(running.settings)}.")


def stack_document(running: Stack) -> dict[str, object]:
    """Return what a program needs to know. The passwords are only in `address_file`."""
    settings = running.settings
    return {
        "ready": True,
        "live_model": running.live_model,
        "database_url": masked(running.services.database_url),
        # What services use that submit texts; see `state_dir.publish_addresses`.
        "broker_url": masked(running.broker_urls.get(PRODUCER, running.services.broker_url)),
        "address_file": address_file(settings),
        "state_dir": settings.state_dir,
        "logs": logs_dir(settings),
        "pid": os.getpid(),
    }


def stack_panel(running: Stack) -> Panel:
    """Return the addresses, and the commands to type next."""
    document = stack_document(running)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for title, name in PANEL_ROWS.items():
        grid.add_row(title, str(document[name]))
    grid.add_row("logs", relative_path(logs_dir(running.settings)))
    grid.add_row()
    grid.add_row("next", "In another terminal, in this folder:")
    for arguments in NEXT_COMMANDS:
        grid.add_row("", f"{command_name()} {arguments}")
    grid.add_row("", "Ctrl-C here drains and stops everything.")
    return Panel(grid, title="Plumbline is running", title_align="left", border_style="green")


def command_name() -> str:
    """Return what to type for this command: its name if it is on PATH, else its path."""
    command = Path(sys.argv[0])
    on_path = shutil.which(command.name)
    if on_path is not None and Path(on_path).resolve() == command.resolve():
        return command.name
    return shlex.quote(relative_path(command))


def relative_path(path: Path) -> str:
    """Return the path as a user would type it in the current folder."""
    try:
        absolute, folder = path.absolute(), Path.cwd()
    except FileNotFoundError:
        # The current folder was deleted.
        return str(path)
    return str(absolute.relative_to(folder) if absolute.is_relative_to(folder) else absolute)
