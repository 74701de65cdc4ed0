from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from plumbline.embedded.celery_process import CeleryProcess
from tests.waiting import eventually

# Ignores SIGTERM and never ends by itself.
STUBBORN = """
import os, signal
signal.signal(15, signal.SIG_IGN)
print(1, flush=True)
os.read(os.pipe()[0], 1)
"""


def test_a_process_that_ignores_the_stop_signal_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STUBBORN]
    process = CeleryProcess("It", command, tmp_path / "log", tmp_path, dict(os.environ))
    process.start()
    eventually(lambda: process.log.read_bytes())
    process.request_stop()
    assert process.wait(0.5) is False
    assert process.process is not None and process.process.returncode == -signal.SIGKILL
