"""Each test runs the watchdog in a process of its own, since the watchdog ends it."""

from __future__ import annotations

import signal
import subprocess
import sys

HANGS = """
import ctypes
from worker.pool.watchdog import Watchdog
watchdog = Watchdog(0.2)
watchdog.install()
watchdog.arm()
ctypes.PyDLL(None).sleep(30)
"""
FINISHES_IN_TIME = """
import time
from worker.pool.watchdog import Watchdog
watchdog = Watchdog(0.1)
watchdog.install()
watchdog.arm()
watchdog.disarm()
time.sleep(0.3)
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def test_native_code_that_hangs_is_ended_with_a_traceback() -> None:
    process = run(HANGS)
    assert process.returncode == -signal.SIGALRM
    assert 'File "<string>", line 7' in process.stderr


def test_a_text_that_finishes_in_time_does_not_end_the_process() -> None:
    assert run(FINISHES_IN_TIME).returncode == 0
