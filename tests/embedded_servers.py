"""What the embedded servers have in common: they keep their data, and recover from a kill."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from plumbline.embedded.child_process import Server
from plumbline.embedded.errors import FolderBusy
from plumbline_client.services import is_locked
from tests.leftovers import listens, processes_of

# Longer than the path of a Unix socket may be, with characters that shells and parsers mishandle.
AWKWARD = Path("a folder") / 'with "quotes" and \\' / "100%d %(here)s: é\n[b]" / ("deep" * 30)

Start = Callable[[Path], AbstractContextManager[Server]]
RUN_SERVER = """
import sys, time
from pathlib import Path
from plumbline.embedded.{module} import {name}
with {name}(Path(sys.argv[1])) as server:
    print(server.url, flush=True)
    time.sleep(600)  # until the test kills it
"""


def check_data_and_url_are_kept(
    start: Start, folder: Path, write: Callable[[str], None], read: Callable[[str], str]
) -> None:
    """Start a server twice; `write` stores the value "yes" that `read` returns.

    Only the user of this process may search the folders above that of the server, and it stays so.
    """
    private = folder / AWKWARD.parts[0]
    private.mkdir(mode=0o700)
    folder = folder / AWKWARD
    folder.parent.mkdir(parents=True)
    modes = {parent: parent.stat().st_mode for parent in folder.parents}
    with start(folder) as server:
        url = server.url
        write(url)
        with pytest.raises(FolderBusy), start(folder):
            pass
    assert not listens(url)
    assert processes_of(folder) == []
    with start(folder) as server:
        assert server.url == url
        assert read(server.url) == "yes"
    assert not is_locked(folder / "lock")
    assert {parent: parent.stat().st_mode for parent in folder.parents} == modes


def check_server_of_a_killed_run_is_stopped(
    start: Start, folder: Path, write: Callable[[str], None], read: Callable[[str], str]
) -> None:
    """Kill the process that runs a server, then start the server again."""
    code = RUN_SERVER.format(module=start.__module__.rpartition(".")[2], name=start.__name__)
    run = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True
    )
    with run:
        assert run.stdout is not None
        url = run.stdout.readline().strip()
        write(url)
        # A suspended server does not notice that its parent died.
        orphans = [child for child in psutil.Process(run.pid).children() if child.is_running()]
        for orphan in orphans:
            orphan.suspend()
        run.kill()
    with start(folder) as server:
        assert read(server.url) == "yes"
        assert not any(orphan.is_running() and orphan.status() == "stopped" for orphan in orphans)
    assert processes_of(folder) == []
