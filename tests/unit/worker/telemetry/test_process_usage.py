import os
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from worker.telemetry.process_usage import CpuTotal, UsageCollector, process_usage

PAGE = os.sysconf("SC_PAGE_SIZE")
TICK = os.sysconf("SC_CLK_TCK")


def write_stat(proc: Path, pid: int, *, utime: int, stime: int, pages: int) -> None:
    """Write a file as in proc_pid_stat(5), with a name that breaks parsers that split at spaces."""
    fields = ["S", *["0"] * 10, str(utime), str(stime), *["0"] * 8, str(pages), "0", "0"]
    (proc / str(pid)).mkdir(exist_ok=True)
    (proc / str(pid) / "stat").write_text(f"{pid} (a) b) {' '.join(fields)}\n")


def test_memory_and_cpu_time_of_this_process() -> None:
    usage = process_usage(os.getpid())
    assert usage is not None
    assert 1_000_000 < usage.resident_bytes < 100_000_000_000
    times = os.times()
    assert usage.cpu_s == pytest.approx(times.user + times.system, abs=1.0)


def test_a_process_that_has_ended_has_no_usage(tmp_path: Path) -> None:
    assert process_usage(1, tmp_path) is None


def test_fields_are_read_by_position(tmp_path: Path) -> None:
    write_stat(tmp_path, 7, utime=3 * TICK, stime=TICK, pages=5)
    usage = process_usage(7, tmp_path)
    assert usage is not None
    assert (usage.cpu_s, usage.resident_bytes) == (4.0, 5 * PAGE)


def test_the_cpu_total_continues_with_the_next_process() -> None:
    total, totals_s = CpuTotal(), []
    for pid, cpu_s in ((1, 2.0), (1, 3.0), (2, 0.5), (2, 1.0)):
        total.update(pid, cpu_s)
        totals_s.append(total.total_s)
    assert totals_s == [2.0, 3.0, 3.5, 4.0]


def test_a_pool_index_keeps_its_series_across_processes(tmp_path: Path) -> None:
    write_stat(tmp_path, 7, utime=TICK, stime=0, pages=5)
    pids = {"parent": 7, "child-0": 8}
    registry = CollectorRegistry()
    registry.register(UsageCollector(lambda: pids, tmp_path))

    def cpu(process: str) -> float | None:
        return registry.get_sample_value("plumbline_cpu_seconds_total", {"process": process})

    assert (cpu("parent"), cpu("child-0")) == (1.0, None)
    write_stat(tmp_path, 8, utime=2 * TICK, stime=0, pages=5)
    assert cpu("child-0") == 2.0
    (tmp_path / "8" / "stat").unlink()
    assert cpu("child-0") == 2.0, "the counter went down when its process ended"
    write_stat(tmp_path, 9, utime=TICK, stime=0, pages=6)
    pids["child-0"] = 9
    assert cpu("child-0") == 3.0
    memory = registry.get_sample_value("plumbline_resident_memory_bytes", {"process": "child-0"})
    assert memory == 6 * PAGE
