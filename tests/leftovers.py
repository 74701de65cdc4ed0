"""Processes and ports that a command must not leave behind."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil


def processes_of(folder: Path) -> list[str]:
    """Return the command lines of live processes that run in `folder` or below, or mention it."""
    lines = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            line = " ".join(process.cmdline())
            in_folder = Path(process.cwd()).is_relative_to(folder) or str(folder) in line
            if in_folder and process.status() != psutil.STATUS_ZOMBIE:
                lines.append(f"{process.pid} {line[:200]}")
    return lines


def listens(url: str) -> bool:
    """Return whether a server accepts connections at this URL."""
    parts = urlsplit(url)
    assert parts.hostname is not None and parts.port is not None
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname, parts.port)) == 0
