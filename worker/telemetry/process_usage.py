"""Memory and processor time of this worker's processes, read from /proc; elsewhere there are none.

A process is named by its place in the pool, so that its successor continues its series.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

PROC = Path("/proc")
# Positions in /proc/PID/stat after the name, which may hold spaces (proc_pid_stat(5)).
_UTIME, _STIME, _RSS = 11, 12, 21

Pids = Callable[[], Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Used:
    """`cpu_s` since the process started."""

    resident_bytes: int
    cpu_s: float


def used(pid: int, proc: Path = PROC) -> Used | None:
    """None where the process, or /proc, is not there."""
    try:
        stat = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    ticks = int(fields[_UTIME]) + int(fields[_STIME])
    return Used(int(fields[_RSS]) * os.sysconf("SC_PAGE_SIZE"), ticks / os.sysconf("SC_CLK_TCK"))


@dataclass(slots=True)
class CpuTotal:
    """The processor time of a place: of the processes seen there before, and of the present one."""

    pid: int = 0
    ended_s: float = 0.0
    last_s: float = 0.0

    @property
    def total_s(self) -> float:
        return self.ended_s + self.last_s

    def add(self, pid: int, cpu_s: float) -> None:
        """The process `pid`, which is there now, has used so much by now."""
        if pid != self.pid:
            self.pid, self.ended_s = pid, self.total_s
        self.last_s = cpu_s


@dataclass(eq=False)
class UsageCollector(Collector):
    """`pids` gives the processes that live now, by name."""

    pids: Pids
    proc: Path = PROC
    totals: dict[str, CpuTotal] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def collect(self) -> Iterator[Metric]:
        with self.lock:
            yield from self._collect()

    def _collect(self) -> Iterator[Metric]:
        memory = GaugeMetricFamily(
            "plumbline_resident_memory_bytes", "Resident memory of a process.", labels=["process"]
        )
        cpu = CounterMetricFamily(
            "plumbline_cpu_seconds", "Processor time of a process.", labels=["process"]
        )
        for name, pid in self.pids().items():
            usage = used(pid, self.proc)
            if usage is not None:
                memory.add_metric([name], usage.resident_bytes)
                self.totals.setdefault(name, CpuTotal()).add(pid, usage.cpu_s)
        for name, total in self.totals.items():
            cpu.add_metric([name], total.total_s)
        yield memory
        yield cpu
