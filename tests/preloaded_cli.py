"""The command line in processes that share imported libraries: `python -m tests.preloaded_cli FD`.

This process imports the libraries once, and forks a process for each command that arrives at the
socket FD; see `tests.preloaded`. Only libraries: the modules of Plumbline are imported by each
command, like in a process of its own, and so are those that depend on its arguments.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

# Before psycopg, as in each program.
import plumbline  # noqa: F401

LIBRARIES = (
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "psycopg.types.json",
    "pydantic_settings",
    "redis",
    "rich.console",
    "rich.markup",
    "rich.progress",
    "rich.table",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.orm",
    "typer",
    "typer.rich_utils",
)
PACKAGES = ("storage", "scoring", "worker", "monitoring", "training", "migrations")
MAX_REQUEST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """A command with its folder and environment. `arguments` begin with the program's path."""

    arguments: list[str]
    folder: str
    environment: dict[str, str]

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode("utf-8")

    def become(self) -> None:
        """Give this process the command's arguments, folder and environment."""
        os.chdir(self.folder)
        os.environ.clear()
        os.environ.update(self.environment)
        sys.argv = self.arguments
        sys.orig_argv = [sys.executable, *self.arguments]
        # The first entry is the folder of the program that Python was started with.
        sys.path[0] = str(Path(self.arguments[0]).parent)
        # Click names the program `python -m tests...` otherwise.
        sys.modules["__main__"].__package__ = None


def wait_for_command(requests: socket.socket) -> None:
    """Return in a new process for each request; exit when the other end is closed."""
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        encoded, descriptors, _, _ = socket.recv_fds(requests, MAX_REQUEST_BYTES, 4)
        if not encoded:
            sys.exit()
        if os.fork() == 0:
            *streams, report = descriptors
            requests.close()
            if (command := os.fork()) == 0:
                os.close(report)
                signal.signal(signal.SIGINT, interrupt)
                _use(streams)
                Request(**json.loads(encoded)).become()
                return
            for number in [0, 1, 2, *streams]:
                os.close(number)
            _report(command, report)
        for number in descriptors:
            os.close(number)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _use(streams: list[int]) -> None:
    """Make these the standard streams."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)


def _report(command: int, report: int) -> None:
    """Write the command's process id and, once it has ended, its exit status."""
    with contextlib.suppress(BrokenPipeError):
        os.write(report, f"{command}\n".encode())
        status = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
        os.write(report, f"{status}\n".encode())
    os._exit(0)


def main() -> None:
    for name in LIBRARIES:
        importlib.import_module(name)
    assert not sys.modules.keys() & PACKAGES
    # A collection would copy the memory of all objects to the command's process.
    gc.freeze()
    wait_for_command(socket.socket(fileno=int(sys.argv[1])))
    program = importlib.import_module("plumbline.cli.app").main
    sys.exit(program())


if __name__ == "__main__":
    main()
