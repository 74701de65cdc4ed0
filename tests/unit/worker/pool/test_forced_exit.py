"""Each forced exit is in a process of its own, since it ends the process."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil

from tests.waiting import eventually

# A process that hangs, with one child; prints the child's pid.
HANGS = """
import os, time
from worker.pool import forced_exit
forced_exit.EXIT_AFTER_S = {exit_after_s}
child = os.fork()
if child == 0:
    time.sleep(30)
print(child, flush=True)
forced_exit.schedule_forced_exit([child])
time.sleep({runs_s})
os.kill(child, 9)
"""
# Ends with a process id in the list that belongs to another process.
FOREIGN_PID = """
import sys
from worker.pool.forced_exit import force_exit
force_exit([int(sys.argv[1])])
"""


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_process_that_hangs_exits_and_kills_its_children() -> None:
    started = time.monotonic()
    process = run(HANGS.format(exit_after_s=0.2, runs_s=30))
    assert process.returncode == 1
    assert time.monotonic() - started < 20
    assert "Redis did not respond during shutdown; exiting." in process.stderr
    child = int(process.stdout)
    # The signal is sent; on a busy machine the process may not have handled it yet.
    eventually(lambda: has_ended(child), 20, "the child was not killed")


def test_a_process_that_shuts_down_in_time_is_not_delayed() -> None:
    process = run(HANGS.format(exit_after_s=30, runs_s=0))
    assert (process.returncode, process.stderr) == (0, "")


def test_a_process_id_in_use_by_another_process_is_not_killed() -> None:
    with subprocess.Popen(["sleep", "30"]) as other:
        assert run(FOREIGN_PID, str(other.pid)).returncode == 1
        assert other.poll() is None
        other.kill()
