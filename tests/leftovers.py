"""What a command must not leave behind."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil


def processes_of(folder: Path) -> list[str]:
    """The command lines of living processes that work in `folder` or below, or name it."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            line = " ".join(process.cmdline())
            here = Path(process.cwd()).is_relative_to(folder) or str(folder) in line
            if here and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {line[:200]}")
    return found


def listens(url: str) -> bool:
    """Whether anybody accepts connections where the URL points."""
    parts = urlsplit(url)
    assert parts.hostname is not None and parts.port is not None
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname, parts.port)) == 0
