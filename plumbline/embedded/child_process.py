"""Child processes that never outlive this one; each writes its output to a log file."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from plumbline.private_files import FILE_MODE, UMASK, create_folder

LOCALHOST = "127.0.0.1"
PR_SET_PDEATHSIG = 1
ORPHAN_TIMEOUT_S = 10.0
# What sends a signal that no program sends, or hardly any.
LIMITS = {
    signal.SIGXFSZ: "raise the limit of the size of a file, `ulimit -f`",
    signal.SIGXCPU: "raise the limit of CPU time, `ulimit -t`",
    signal.SIGBUS: "the disk or /dev/shm may be full",
}
MIB = 1024 * 1024
# A PostgreSQL needs more to start.
LITTLE_SPACE_MB = 64
# Loaded before any fork: between fork and exec only the call itself is safe.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Server:
    """A server that accepts connections at `url` while `process` runs."""

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
    stdin: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start `command` in a process group of its own, so that a terminal's Ctrl-C does not reach it.

    Linux sends it `death_signal` if this process dies first. `user` is the (uid, gid) to run as;
    `cwd` and `stdin` are opened before the change of user.
    """
    create_folder(log.parent)
    log.touch(FILE_MODE)
    with log.open("ab") as output, (stdin or Path(os.devnull)).open("rb") as source:
        return subprocess.Popen(
            [str(part) for part in command],
            stdin=source,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=cwd,
            process_group=0,
            umask=UMASK,
            user=user[0] if user else None,
            group=user[1] if user else None,
            extra_groups=[] if user else None,
            # Runs after the change of user, which would clear the signal.
            preexec_fn=_die_with_parent(death_signal),
        )


def stop(process: subprocess.Popen[bytes], stop_signal: signal.Signals, timeout_s: float) -> bool:
    """Send the signal and wait. Kill the process group and return False after `timeout_s`."""
    if process.poll() is None:
        process.send_signal(stop_signal)
    try:
        process.wait(timeout_s)
        return True
    except subprocess.TimeoutExpired:
        kill_group(process.pid)
        process.wait()
        return False


def kill_group(group: int) -> None:
    """Kill every process of the group; do nothing if none is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def stop_orphans(programs: Sequence[str], folder: Path, stop_signal: signal.Signals) -> None:
    """Stop the processes that a killed run left behind: all of `programs` that run in `folder`.

    They are identified by program (the process name or a word of the command line) and working
    directory, because the system may have reused their process ids. Zombies do not count.
    """
    orphans = [process for process in psutil.process_iter() if _runs_in(process, programs, folder)]
    for process in orphans:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(stop_signal)
    _, survivors = psutil.wait_procs(orphans, timeout=ORPHAN_TIMEOUT_S)
    for process in survivors:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(survivors, timeout=ORPHAN_TIMEOUT_S)


def _runs_in(process: psutil.Process, programs: Sequence[str], folder: Path) -> bool:
    try:
        if process.cwd() != str(folder):
            return False
        return not {process.name(), *process.cmdline()}.isdisjoint(programs)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def free_port(preferred: int | None) -> int:
    """Return a free port: `preferred`, which keeps URLs stable, unless it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOCALHOST, preferred or 0))
        except OSError:
            return free_port(None)
        port: int = probe.getsockname()[1]
        return port


def quote_log(log: Path, lines: int = 1) -> str:
    """Return where a log is and how it ends: a quotation, since its last line need not be a cause.

    A full disk is mentioned, since the log may be the first victim. The result completes a
    sentence, without its full stop.
    """
    try:
        free_mb = shutil.disk_usage(log.parent).free // MIB
        content = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError as error:
        return f"its log, {log}, cannot be read ({error.strerror})"
    disk = f"; its disk has {free_mb} MiB left" if free_mb < LITTLE_SPACE_MB else ""
    if not content:
        return f"its log, {log}, is empty{disk}"
    last = " ".join(line.strip() for line in content[-lines:])
    return f'its log, {log}, ends with: "{last}"{disk}'


def describe_exit(status: int) -> str:
    """Return how a process ended, for a sentence with the process as its subject."""
    if status < 0:
        killer = signal.Signals(-status)
        why = LIMITS.get(killer)
        return f"was killed by {killer.name}" + (f" ({why})" if why else "")
    return f"exited with status {status}"


def _die_with_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    libc, parent = _libc, os.getpid()
    if libc is None:
        return None

    def before_exec() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return before_exec
