"""Starts programs from a Python process that has imported their libraries.

The tests start the command line and workers hundreds of times, and most of the processor time of a
start is the import of SQLAlchemy, Celery and their like. Here a process imports them once
(`tests.warm_python_server`), and forks into each program, which then runs as usual: in a process of
its own, from its first line, with its own environment, streams and signals, up to Python's end.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from tests.paths import CHECKOUT

SERVER = CHECKOUT / "tests" / "warm_python_server.py"
INTEGER = struct.Struct("=i")
# Prefixes of what no library of the server reads while it is imported.
READ_LATE = (
    *("PLUMBLINE_", "PYTHONPATH", "PYTEST_", "TEST_"),
    *("COLUMNS", "DISPLAY", "WAYLAND_DISPLAY", "BROWSER"),
    # Set in this process by our modules, TensorFlow and Keras.
    *("DO_NOT_TRACK", "MPLBACKEND", "PYDANTIC_DISABLE_PLUGINS", "TOKENIZERS_PARALLELISM"),
    *("ENABLE_RUNTIME_", "HDF5_", "KERAS_", "KMP_", "TF2_", "TF_", "TPU_"),
)
# Of the libraries' import.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
_sending = threading.Lock()


class Started:
    """A started program, with those methods of `subprocess.Popen` that tests use."""

    def __init__(self, command: Sequence[str], control: socket.socket) -> None:
        self.args = command
        self.returncode: int | None = None
        self._control = control
        (self.pid,) = INTEGER.unpack(control.recv(INTEGER.size, socket.MSG_WAITALL))

    def poll(self) -> int | None:
        return self._end(0.0)

    def wait(self, timeout: float | None = None) -> int:
        status = self._end(timeout)
        if status is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(self.args, timeout)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _end(self, timeout_s: float | None) -> int | None:
        if self.returncode is None and select.select([self._control], [], [], timeout_s)[0]:
            (status,) = INTEGER.unpack(self._control.recv(INTEGER.size, socket.MSG_WAITALL))
            self._control.close()
            self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


def fits(environment: Mapping[str, str]) -> bool:
    """Return whether a program with this environment may be started here.

    Libraries read variables while they are imported, so every other variable must be as it is here.
    """
    return _early(environment) == _early(ENVIRONMENT)


def start(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    cwd: Path,
    streams: tuple[BinaryIO, BinaryIO, BinaryIO],
    umask: int | None = None,
) -> Started:
    """Start a console script, or a module of `[sys.executable, "-m", ...]`, in its own group.

    `streams` are standard input, output and error.
    """
    words = [str(word) for word in command]
    program = {
        "arguments": words[1:] if words[0] == sys.executable else words,
        "environment": dict(environment),
        "cwd": str(cwd),
        "umask": _umask() if umask is None else umask,
    }
    ours, theirs = socket.socketpair()
    with tempfile.TemporaryFile() as request, theirs:
        request.write(json.dumps(program).encode())
        request.seek(0)
        descriptors = [each.fileno() for each in (request, theirs, *streams)]
        with _sending:
            socket.send_fds(_server(), [b"."], descriptors)
    return Started(words, ours)


def run(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    cwd: Path,
    input: bytes = b"",
    timeout: float,
) -> subprocess.CompletedProcess[bytes]:
    """Run the program to its end, as `subprocess.run` does, and start it afresh if it must be."""
    if not fits(environment):
        return subprocess.run(
            command,
            input=input,
            capture_output=True,
            cwd=cwd,
            env=environment,
            timeout=timeout,
            check=False,
        )
    (stdin, feed), (read_out, stdout), (read_err, stderr) = (_pipe() for _ in range(3))
    with stdin, stdout, stderr:
        process = start(command, environment=environment, cwd=cwd, streams=(stdin, stdout, stderr))
    with ThreadPoolExecutor(3) as threads:
        threads.submit(_feed, feed, input)
        output, errors = threads.submit(_read, read_out), threads.submit(_read, read_err)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(process.args, status, output.result(), errors.result())


@functools.cache
def _server() -> socket.socket:
    """Start the process, which ends with this one."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, SERVER, str(theirs.fileno())],
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            process_group=0,
        )

    def stop() -> None:
        ours.close()
        process.wait()

    atexit.register(stop)
    return ours


def _early(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(READ_LATE)}


def _umask() -> int:
    umask = os.umask(0o022)
    os.umask(umask)
    return umask


def _pipe() -> tuple[BinaryIO, BinaryIO]:
    reader, writer = os.pipe()
    return os.fdopen(reader, "rb"), os.fdopen(writer, "wb")


def _feed(pipe: BinaryIO, data: bytes) -> None:
    try:
        with pipe:
            pipe.write(data)
    except BrokenPipeError:
        pass


def _read(pipe: BinaryIO) -> bytes:
    with pipe:
        return pipe.read()
