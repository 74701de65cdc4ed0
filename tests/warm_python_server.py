"""The process behind `tests.warm_python`: it imports libraries once, and forks into programs.

It imports nothing of Plumbline, so that each program imports all of it, and what a program forgets
to import is missing. It starts no thread, which would not survive the fork.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import runpy
import signal
import socket
import struct
import sys
import threading
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

# What a worker and the commands import, except what reads its arguments (`celery.bin`), starts
# threads (numpy, LiteRT) or is configured before its import (prometheus_client).
LIBRARIES = (
    "celery.app.amqp",
    "celery.app.control",
    "celery.app.log",
    "celery.app.task",
    "celery.app.trace",
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.concurrency.prefork",
    "celery.worker.consumer",
    "click_repl",
    "hiredis",
    "kombu.transport.redis",
    "psutil",
    "psycopg",
    "pydantic",
    "redis.asyncio.client",
    "rich.console",
    "rich.table",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.orm",
    "typer",
    "yaml",
)
PR_SET_PDEATHSIG = 1
PROCESS_ID = STATUS = struct.Struct("=i")
# What a message carries: the request, the socket for process id and status, and three streams.
DESCRIPTORS = 5
_libc = ctypes.CDLL(None)


def next_program(requests: socket.socket) -> dict[str, Any] | None:
    """Return, in a new process, the program that it becomes; None after the last one."""
    while True:
        _, descriptors, _, _ = socket.recv_fds(requests, 1, DESCRIPTORS)
        if not descriptors:
            return None
        if os.fork() == 0:
            requests.close()
            return keep_program(*descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def keep_program(request: int, control: int, *streams: int) -> dict[str, Any]:
    """Fork once more: return in the child; in the parent, report its process id and its end."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    child = os.fork()
    if child == 0:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        os.close(control)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        with open(request, encoding="utf-8") as file:
            program: dict[str, Any] = json.load(file)
        return program
    for stream in (request, *streams):
        os.close(stream)
    os.write(control, PROCESS_ID.pack(child))
    _, status = os.waitpid(child, 0)
    os.write(control, STATUS.pack(status))
    os._exit(0)


def run(program: dict[str, Any]) -> None:
    """Be the program, as if Python had started with its command line."""
    os.setpgid(0, 0)
    # A script starts its background jobs with SIGINT ignored, and their children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.umask(program["umask"])
    os.chdir(program["cwd"])
    os.environ.clear()
    os.environ.update(program["environment"])
    python_path = os.environ.get("PYTHONPATH")
    sys.path[:0] = python_path.split(os.pathsep) if python_path else []
    script, *arguments = program["arguments"]
    if script == "-m":
        module, *arguments = arguments
        sys.argv = ["-m", *arguments]
        sys.path.insert(0, program["cwd"])
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        sys.argv = [script, *arguments]
        sys.path.insert(0, str(Path(script).parent))
        runpy.run_path(script, run_name="__main__")


def main() -> None:
    # The folder of this file, whose modules are not those of a program.
    del sys.path[0]
    requests = socket.socket(fileno=int(sys.argv[1]))
    for library in LIBRARIES:
        import_module(library)
    assert threading.active_count() == 1
    gc.collect()
    gc.freeze()
    program = next_program(requests)
    if program is not None:
        run(program)


if __name__ == "__main__":
    main()
