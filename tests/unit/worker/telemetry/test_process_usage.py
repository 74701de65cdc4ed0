import os
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from worker.telemetry.process_usage import CpuTotal, UsageCollector, used

PAGE = os.sysconf("SC_PAGE_SIZE")
TICK = os.sysconf("SC_CLK_TCK")


def write_stat(proc: Path, pid: int, *, utime: int, stime: int, pages: int) -> None:
    """As in proc_pid_stat(5); the name holds what breaks a reader that splits at spaces."""
    fields = ["S", *["0"] * 10, str(utime), str(stime), *["0"] * 8, str(pages), "0", "0"]
    (proc / str(pid)).mkdir(exist_ok=True)
    (proc / str(pid) / "stat").write_text(f"{pid} (a) b) {' '.join(fields)}\n")


def test_memory_and_processor_time_of_this_process() -> None:
    usage = used(os.getpid())
    assert usage is not None
    assert 1_000_000 < usage.resident_bytes < 100_000_000_000
    times = os.times()
    assert usage.cpu_s == pytest.approx(times.user + times.system, abs=1.0)


def test_a_process_that_is_gone_used_nothing_that_is_known(tmp_path: Path) -> None:
    assert used(1, tmp_path) is None


def test_a_stat_is_read_by_position(tmp_path: Path) -> None:
    write_stat(tmp_path, 7, utime=3 * TICK, stime=TICK, pages=5)
    usage = used(7, tmp_path)
    assert usage is not None
    assert (usage.cpu_s, usage.resident_bytes) == (4.0, 5 * PAGE)


def test_the_time_of_a_place_goes_on_with_its_next_process() -> None:
    total, told = CpuTotal(), []
    for pid, cpu_s in ((1, 2.0), (1, 3.0), (2, 0.5), (2, 1.0)):
        total.add(pid, cpu_s)
        told.append(total.total_s)
    assert told == [2.0, 3.0, 3.5, 4.0]


def test_processes_are_named_by_their_place(tmp_path: Path) -> None:
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
    assert cpu("child-0") == 2.0, "what is counted went down with its process"
    write_stat(tmp_path, 9, utime=TICK, stime=0, pages=6)
    pids["child-0"] = 9
    assert cpu("child-0") == 3.0
    memory = registry.get_sample_value("plumbline_resident_memory_bytes", {"process": "child-0"})
    assert memory == 6 * PAGE
