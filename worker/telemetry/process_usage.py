"""Memory and CPU time of this worker's processes, read from /proc, so on Linux only.

A process is named by its index in the pool, so that its successor continues its series.
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
# Positions in /proc/PID/stat after the name, which may contain spaces (proc_pid_stat(5)).
_UTIME, _STIME, _RSS = 11, 12, 21

Pids = Callable[[], Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """`cpu_s` since the process started."""

    resident_bytes: int
    cpu_s: float


def process_usage(pid: int, proc: Path = PROC) -> ProcessUsage | None:
    """Return None if the process, or /proc, does not exist."""
    try:
        stat = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    ticks = int(fields[_UTIME]) + int(fields[_STIME])
    resident_bytes = int(fields[_RSS]) * os.sysconf("SC_PAGE_SIZE")
    return ProcessUsage(resident_bytes, ticks / os.sysconf("SC_CLK_TCK"))


@dataclass(slots=True)
class CpuTotal:
    """The CPU time of a pool index: of its earlier processes and of the current one."""

    pid: int = 0
    ended_s: float = 0.0
    current_s: float = 0.0

    @property
    def total_s(self) -> float:
        return self.ended_s + self.current_s

    def update(self, pid: int, cpu_s: float) -> None:
        """Set the CPU time of the current process `pid`."""
        if pid != self.pid:
            self.pid, self.ended_s = pid, self.total_s
        self.current_s = cpu_s


@dataclass(eq=False)
class UsageCollector(Collector):
    """`pids` returns the running processes by name."""

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
            "plumbline_cpu_seconds", "CPU time of a process.", labels=["process"]
        )
        for name, pid in self.pids().items():
            usage = process_usage(pid, self.proc)
            if usage is not None:
                memory.add_metric([name], usage.resident_bytes)
                self.totals.setdefault(name, CpuTotal()).update(pid, usage.cpu_s)
        for name, total in self.totals.items():
            cpu.add_metric([name], total.total_s)
        yield memory
        yield cpu
