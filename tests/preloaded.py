"""Runs `plumbline` without importing its libraries each time, which is most of a short command."""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from tests.paths import CHECKOUT
from tests.preloaded_cli import Request

# Variables that Plumbline and its libraries read only after their import.
READ_LATE = ("PLUMBLINE_", "COLUMNS", "DISPLAY", "WAYLAND_DISPLAY", "BROWSER")


def run(
    arguments: list[str],
    *,
    stdin: bytes,
    folder: Path,
    environment: Mapping[str, str],
    timeout_s: float,
) -> subprocess.CompletedProcess[bytes]:
    """Run the command in a process of its own, as `subprocess.run` does."""
    shared = {k: v for k, v in environment.items() if not k.startswith(READ_LATE)}
    commands = _commands(tuple(sorted(shared.items())))
    return commands.run(Request(arguments, str(folder), dict(environment)), stdin, timeout_s)


@cache
def _commands(environment: tuple[tuple[str, str], ...]) -> PreloadedCli:
    """Return the process that has the libraries as imported with these variables."""
    return PreloadedCli(dict(environment))


class PreloadedCli:
    """A process of `tests.preloaded_cli`, until this one ends."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.preloaded_cli", str(theirs.fileno())],
                # Python decides at its start how it buffers them: like those of a command.
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                cwd=CHECKOUT,
                env=environment,
            )
        atexit.register(self.close)

    def close(self) -> None:
        self._requests.close()
        self._process.communicate()

    def run(
        self, request: Request, stdin: bytes, timeout_s: float
    ) -> subprocess.CompletedProcess[bytes]:
        """Return when the command has ended and its output is read; kill it after the timeout."""
        ours, theirs = zip(
            *(_pipe(written) for written in (True, False, False, False)), strict=True
        )
        try:
            socket.send_fds(self._requests, [request.encode()], theirs)
        finally:
            for number in theirs:
                os.close(number)
        command = int(_read_line(ours[3]))
        with ThreadPoolExecutor(4) as threads:
            written = threads.submit(_write, ours[0], stdin)
            outputs = [threads.submit(_read, number) for number in ours[1:3]]
            ended = threads.submit(_read, ours[3])
            try:
                code = int(ended.result(timeout_s))
            except TimeoutError:
                os.kill(command, signal.SIGKILL)
                raise subprocess.TimeoutExpired(request.arguments, timeout_s) from None
            written.result()
            stdout, stderr = (output.result() for output in outputs)
        return subprocess.CompletedProcess(request.arguments, code, stdout, stderr)


def _pipe(written: bool) -> tuple[int, int]:
    """Return this process's end, which it writes to or reads from, and the command's end."""
    reading, writing = os.pipe()
    return (writing, reading) if written else (reading, writing)


def _read_line(number: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(number, 1)
        assert byte, "the process of the commands has ended"
        line += byte
    return line


def _read(number: int) -> bytes:
    with os.fdopen(number, "rb") as file:
        return file.read()


def _write(number: int, content: bytes) -> None:
    """Write everything; a command may end before it has read it."""
    try:
        with os.fdopen(number, "wb", buffering=0) as file:
            remaining = memoryview(content)
            while remaining:
                remaining = remaining[file.write(remaining) :]
    except BrokenPipeError:
        pass
