"""The cores that are free at this moment, which one long text may use."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from math import inf
from pathlib import Path

# Beyond these, each further core gains less.
MAX_THREADS = 4
PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
# The state in /proc/PID/stat follows the name, which is in parentheses and may contain any.
RUNNING = re.compile(r"\) R ")


def usable_cores(proc: Path = PROC, cgroups: Path = CGROUPS) -> int:
    """Return the cores that this process may use: its affinity and the quota of its container."""
    # Not on macOS.
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, int(min(cores, _quota(proc, cgroups))))


def free_cores(proc: Path = PROC, cgroups: Path = CGROUPS) -> int:
    """Return how many cores this process may use that nothing else uses now, at least 1: its own.

    It is 1 as well if the system does not report what is running.
    """
    usable = usable_cores(proc, cgroups)
    if usable == 1:
        return 1
    try:
        running = int((proc / "loadavg").read_text(encoding="ascii").split()[3].partition("/")[0])
        # A thread that computed the text before may still wait for more work.
        own = sum(_is_running(task) for task in (proc / "self" / "task").iterdir())
        free = (os.cpu_count() or 1) - max(0, running - own)
        if _quota(proc, cgroups) < inf:
            # A quota is shared with the other processes of the container, on any core.
            others = sum(_is_running(path) for path in _processes(proc) if path.name != _pid())
            free = min(free, usable - others)
    except (OSError, ValueError, IndexError):
        return 1
    return max(1, min(usable, free))


def _pid() -> str:
    return str(os.getpid())


def _processes(proc: Path) -> Iterator[Path]:
    return (path for path in proc.iterdir() if path.name.isdecimal())


def _is_running(folder: Path) -> bool:
    # It may have ended.
    with suppress(OSError):
        return bool(RUNNING.search((folder / "stat").read_text(encoding="utf-8", errors="replace")))
    return False


@cache
def _quota(proc: Path, cgroups: Path) -> float:
    """Return the limit of this process in cores, as it was at the first call."""
    return min(_quotas(proc, cgroups), default=inf)


def _quotas(proc: Path, cgroups: Path) -> Iterator[float]:
    """Yield the limits, in cores, of this process's control groups."""
    with suppress(OSError, ValueError):
        for line in (proc / "self" / "cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                root, read = cgroups, _quota_v2
            elif "cpu" in controllers.split(","):
                root, read = cgroups / controllers, _quota_v1
            else:
                continue
            # A container sees its own group as the root, or not at all.
            for group in (Path(path.lstrip("/")), *Path(path.lstrip("/")).parents):
                with suppress(OSError, ValueError):
                    yield from read(root / group)


def _quota_v2(group: Path) -> Iterator[float]:
    quota, period = (group / "cpu.max").read_text(encoding="ascii").split()
    if quota != "max":
        yield int(quota) / int(period)


def _quota_v1(group: Path) -> Iterator[float]:
    quota = int((group / "cpu.cfs_quota_us").read_text(encoding="ascii"))
    if quota > 0:
        yield quota / int((group / "cpu.cfs_period_us").read_text(encoding="ascii"))
