"""Free cores, on a /proc and control groups that the tests write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scoring.runtime.cores import free_cores, usable_cores


class Machine:
    """A machine with four cores, all of which this process may use."""

    def __init__(self, root: Path) -> None:
        self.proc, self.cgroups = root / "proc", root / "cgroup"
        self.write(self.proc / "self" / "cgroup", "0::/\n")
        self.running(1)
        self.process(self.proc / "self" / "task" / "1", "R")
        self.process(self.proc / str(os.getpid()), "R")

    def write(self, path: Path, content: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")

    def running(self, count: int) -> None:
        self.write(self.proc / "loadavg", f"0.00 0.01 0.05 {count}/211 4711\n")

    def process(self, folder: Path, state: str) -> None:
        self.write(folder / "stat", f"7 (a ) S name) {state} 1 7 7 0\n")

    def usable(self) -> int:
        return usable_cores(self.proc, self.cgroups)

    def free(self) -> int:
        return free_cores(self.proc, self.cgroups)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    return Machine(tmp_path)


def test_all_cores_of_an_idle_machine_are_free(machine: Machine) -> None:
    assert machine.usable() == machine.free() == 4


@pytest.mark.parametrize(("running", "free"), [(2, 3), (4, 1), (9, 1)])
def test_what_else_is_running_needs_its_core(machine: Machine, running: int, free: int) -> None:
    machine.running(running)
    assert machine.free() == free


def test_own_threads_are_not_something_else(machine: Machine) -> None:
    machine.running(3)
    machine.process(machine.proc / "self" / "task" / "2", "R")
    machine.process(machine.proc / "self" / "task" / "3", "S")
    assert machine.free() == 3


def test_a_process_that_may_use_one_core_uses_one(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    assert machine.usable() == machine.free() == 1


@pytest.mark.parametrize(
    ("group", "limit", "cores"),
    [
        ("0::/", {"cpu.max": "200000 100000"}, 2),
        ("0::/", {"cpu.max": "150000 100000"}, 1),
        ("0::/", {"cpu.max": "50000 100000"}, 1),
        ("0::/", {"cpu.max": "max 100000"}, 4),
        ("0::/pod/container", {"pod/cpu.max": "300000 100000"}, 3),
        ("0::/not/in/view", {"cpu.max": "200000 100000"}, 2),
        ("2:cpu:/", {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2),
        ("2:cpu,cpuacct:/a", {"cpu,cpuacct/a/cpu.cfs_quota_us": "-1"}, 4),
        ("2:cpuset:/", {"cpuset/cpu.cfs_quota_us": "1"}, 4),
        ("nonsense", {}, 4),
    ],
)
def test_a_quota_limits_the_cores(
    machine: Machine, group: str, limit: dict[str, str], cores: int
) -> None:
    machine.write(machine.proc / "self" / "cgroup", group + "\n")
    for name, content in limit.items():
        machine.write(machine.cgroups / name, content + "\n")
    assert machine.usable() == machine.free() == cores


def test_other_processes_of_the_container_share_its_quota(machine: Machine) -> None:
    machine.write(machine.cgroups / "cpu.max", "300000 100000\n")
    machine.process(machine.proc / "17", "R")
    machine.process(machine.proc / "18", "S")
    assert machine.free() == 2


@pytest.mark.parametrize("content", ["", "0.00 0.01 0.05 unknown 7\n"])
def test_one_core_is_used_if_nobody_knows_what_is_running(machine: Machine, content: str) -> None:
    machine.write(machine.proc / "loadavg", content)
    assert machine.free() == 1
