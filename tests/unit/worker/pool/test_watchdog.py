"""In processes of their own, since what is tested ends them."""

from __future__ import annotations

import signal
import subprocess
import sys

from worker.pool.memory_limit import recycle_kib

HANGS = """
import ctypes
from worker.pool.watchdog import Watchdog
dog = Watchdog(0.2)
dog.install()
dog.arm()
ctypes.PyDLL(None).sleep(30)
"""
ENDS_IN_TIME = """
import time
from worker.pool.watchdog import Watchdog
dog = Watchdog(0.1)
dog.install()
dog.arm()
dog.disarm()
time.sleep(0.3)
"""
TAKES_TOO_MUCH = """
from worker.pool.memory_limit import limit_memory
limit_memory({limit})
try:
    hoard = bytearray(400_000_000)
except MemoryError:
    print("refused")
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def test_what_hangs_while_it_holds_the_interpreter_is_ended_with_its_traceback() -> None:
    done = run(HANGS)
    assert done.returncode == -signal.SIGALRM
    assert 'File "<string>", line 7' in done.stderr


def test_what_ends_in_time_is_left_alone() -> None:
    assert run(ENDS_IN_TIME).returncode == 0


def test_memory_beyond_the_limit_is_refused_and_without_one_it_is_not() -> None:
    assert run(TAKES_TOO_MUCH.format(limit=300)).stdout == "refused\n"
    assert run(TAKES_TOO_MUCH.format(limit=0)).stdout == ""


def test_a_child_that_grew_is_replaced_before_it_reaches_its_limit() -> None:
    assert recycle_kib(2_048) == 1_536 * 1024
    assert recycle_kib(0) is None
