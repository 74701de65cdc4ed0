"""CPU time and resident memory of process trees, read from /proc.

CPU time per text is the figure that other load on the machine changes least.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
# Positions in /proc/PID/stat after the name (proc_pid_stat(5)); C times are of reaped children.
_PPID, _TIMES, _REAPED, _RSS = 1, slice(11, 13), slice(13, 15), 21
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    parent: int
    cpu_s: float
    reaped_cpu_s: float
    resident_bytes: int


def read_process(pid: int) -> Process | None:
    """Return None if the process has ended."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return Process(
        pid,
        int(fields[_PPID]),
        sum(map(int, fields[_TIMES])) / TICKS_PER_S,
        sum(map(int, fields[_REAPED])) / TICKS_PER_S,
        int(fields[_RSS]) * os.sysconf("SC_PAGE_SIZE"),
    )


def tree(root: int) -> Iterator[Process]:
    """Yield a process and its descendants."""
    pids = (int(path.name) for path in PROC.iterdir() if path.name.isdigit())
    processes = [process for pid in pids if (process := read_process(pid)) is not None]
    members = {root}
    while more := {p.pid for p in processes if p.parent in members} - members:
        members |= more
    return (process for process in processes if process.pid in members)


def cpu_by_name(roots: Mapping[str, int]) -> dict[str, float]:
    """Return the CPU seconds of each tree; those of a worker's children are apart.

    Workers that differ only in their number are added up.
    """
    seconds: dict[str, float] = {}
    for numbered, root in roots.items():
        name = numbered.rstrip("0123456789 ")
        for process in tree(root):
            part = f"{name}, children" if process.pid != root and "worker" in name else name
            spent = process.cpu_s + process.reaped_cpu_s
            seconds[part] = seconds.get(part, 0.0) + spent
    return seconds
