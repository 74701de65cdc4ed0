"""Child processes that do not outlive us: started with their log in a file, stopped for certain."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

LOCALHOST = "127.0.0.1"
PR_SET_PDEATHSIG = 1
LEFTOVER_TIMEOUT_S = 10.0
# Loaded before any fork: between fork and exec only the call itself is safe.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers at `url`, for as long as `process` lives."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    log: Path


def start(
    command: Sequence[str | Path],
    *,
    log: Path,
    death_signal: signal.Signals = signal.SIGTERM,
    user: tuple[int, int] | None = None,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start `command` in a process group of its own, so that a terminal's Ctrl-C reaches only us.

    Linux sends it `death_signal` if this process dies first. `user` is (uid, gid) to run as.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=cwd,
            process_group=0,
            user=user[0] if user else None,
            group=user[1] if user else None,
            extra_groups=[] if user else None,
            # Runs after the change of user, which would clear the signal.
            preexec_fn=_die_with_parent(death_signal),
        )


def stop(process: subprocess.Popen[bytes], how: signal.Signals, timeout_s: float) -> bool:
    """Ask the process to end and wait; kill its group if it does not. True if it went by itself."""
    if process.poll() is None:
        process.send_signal(how)
    try:
        process.wait(timeout_s)
        return True
    except subprocess.TimeoutExpired:
        kill_group(process.pid)
        process.wait()
        return False


def kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def end_leftovers(program: str, folder: Path, how: signal.Signals) -> None:
    """End every `program` at work in `folder`: what an earlier run left behind when it was killed.

    Known by its program (its name, or a word of its command line) and its working directory, since
    the system may have given an old number anew. A dead process nobody has waited for yet does not
    count.
    """
    found = [process for process in psutil.process_iter() if _works_in(process, program, folder)]
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(how)
    _, stubborn = psutil.wait_procs(found, timeout=LEFTOVER_TIMEOUT_S)
    for process in stubborn:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, timeout=LEFTOVER_TIMEOUT_S)


def _works_in(process: psutil.Process, program: str, folder: Path) -> bool:
    try:
        if process.cwd() != str(folder):
            return False
        return bool(process.name() == program or program in process.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def choose_port(wanted: int | None) -> int:
    """`wanted` if it is free, so that URLs stay as they were, else any that is."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOCALHOST, wanted or 0))
        except OSError:
            return choose_port(None)
        port: int = probe.getsockname()[1]
        return port


def log_tail(log: Path, lines: int = 1) -> str:
    """The last lines of a log, for a sentence that says why a server did not start."""
    try:
        written = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        written = []
    return " ".join(written[-lines:]) or "its log is empty"


def _die_with_parent(how: signal.Signals) -> Callable[[], None] | None:
    libc, parent = _libc, os.getpid()
    if libc is None:
        return None

    def before_exec() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(how), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return before_exec
