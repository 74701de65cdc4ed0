"""Limits apply to a whole process, so they are set in processes of their own."""

from __future__ import annotations

import subprocess
import sys

from worker.pool.memory_limit import recycle_kib

ALLOCATE_400_MB = """
from worker.pool.memory_limit import limit_memory
limit_memory({limit})
try:
    block = bytearray(400_000_000)
except MemoryError:
    print("refused")
"""


def allocate_400_mb(limit: int) -> str:
    command = [sys.executable, "-c", ALLOCATE_400_MB.format(limit=limit)]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout


def test_an_allocation_beyond_the_limit_is_refused() -> None:
    assert allocate_400_mb(limit=300) == "refused\n"


def test_a_limit_of_0_refuses_nothing() -> None:
    assert allocate_400_mb(limit=0) == ""


def test_a_child_is_replaced_before_it_reaches_its_limit() -> None:
    assert recycle_kib(2_048) == 1_536 * 1024
    assert recycle_kib(0) is None
