"""The /metrics page of a real worker: its children, their crashes, and the whole system."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from plumbline.embedded.child_process import LOCALHOST, free_port
from plumbline_client import Client
from tests import poison
from tests.paths import CHECKOUT, DOCS
from tests.servers import database, redis_server
from tests.waiting import eventually
from tests.workers import Worker, start_worker

MODEL = "sms-spam/1.0.0"
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass(frozen=True, slots=True)
class Running:
    worker: Worker
    client: Client
    port: int

    def page(self) -> str:
        with urlopen(f"http://{LOCALHOST}:{self.port}/metrics", timeout=30) as response:
            return str(response.read().decode())

    def families(self) -> list[Metric]:
        return list(text_string_to_metric_families(self.page()))

    def metric_names(self) -> dict[str, Metric]:
        """Return the metrics by the name under which Prometheus stores them."""
        return {
            family.name + ("_total" if family.type == "counter" else ""): family
            for family in self.families()
        }

    def series(self) -> Series:
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families()
            for sample in family.samples
        }

    def kill_children(self) -> None:
        """Kill all children and wait for their successors."""
        before = self.worker.children()
        for child in before:
            os.kill(child, signal.SIGKILL)
        eventually(
            lambda: len(set(self.worker.children()) - set(before)) == len(before),
            otherwise="the children were not replaced",
        )

    def score(self, *texts: str) -> None:
        self.client.wait([receipt.job_id for receipt in self.client.submit_many(texts)])


@pytest.fixture(scope="module")
def running(
    postgres_server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    port = free_port(None)
    settings = {"metrics_port": port, "max_attempts": 1}
    folder = tmp_path_factory.mktemp("metrics")
    with (
        database(postgres_server_url, template) as url,
        redis_server(tmp_path_factory.mktemp("redis")) as broker_url,
        start_worker(url, broker_url, folder, settings=settings, app="tests.poison_app") as worker,
        Client(url, broker_url) as client,
    ):
        worker.wait_for_log("metrics are served at")
        running = Running(worker, client, port)
        # Series with a version as label exist from the first text on.
        running.score("the first")
        # A process has series of its own once it has loaded the model.
        eventually(lambda: at(running.series(), "cpu_seconds_total", process="child-1"), 60.0)
        yield running


def at(series: Series, name: str, **labels: str) -> float | None:
    return series.get((f"plumbline_{name}", frozenset(labels.items())))


def counters(series: Series) -> Series:
    endings = ("_total", "_bucket", "_count", "_sum")
    return {key: value for key, value in series.items() if key[0].endswith(endings)}


def decreased(before: Series, after: Series) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    return {key for key, value in counters(before).items() if after.get(key, 0) < value}


def test_the_work_of_the_children_is_counted(running: Running) -> None:
    before = running.series()
    scored = at(before, "jobs_total", outcome="scored", model=MODEL) or 0
    running.score("win a prize", "see you at six")
    after = running.series()
    assert at(after, "jobs_total", outcome="scored", model=MODEL) == scored + 2
    assert (at(after, "tokens_total", model=MODEL) or 0) > 0
    for histogram in ("queue_seconds", "chunk_seconds"):
        assert (at(after, f"{histogram}_count") or 0) > (at(before, f"{histogram}_count") or 0)
    for process in ("parent", "child-0", "child-1"):
        assert (at(after, "resident_memory_bytes", process=process) or 0) > 10_000_000
        assert (at(after, "cpu_seconds_total", process=process) or 0) > 0
    maps = [Path(f"/proc/{pid}/maps").read_text("utf-8") for pid in running.worker.children()]
    assert any("counter_0.db" in each or "counter_1.db" in each for each in maps)
    assert at(after, "database_up") == 1
    assert at(after, "live_model_info", model=MODEL, role="live") == 1


def test_no_counter_decreases_when_children_are_killed(running: Running) -> None:
    running.score(*[f"number {n}" for n in range(8)])
    before = running.series()
    running.kill_children()
    killed = running.series()
    assert decreased(before, killed) == set()
    running.score(*[f"number {n}" for n in range(8)])
    after = running.series()
    assert decreased(killed, after) == set()
    scored = at(before, "jobs_total", outcome="scored", model=MODEL) or 0
    assert at(after, "jobs_total", outcome="scored", model=MODEL) == scored + 8


def test_a_text_that_kills_its_process_counts_as_a_crash(running: Running) -> None:
    before = running.series()
    running.score(poison.SEGFAULT)
    running.score(poison.RAISE)
    after = running.series()
    for kind in ("crash", "model"):
        expected = (at(before, "errors_total", kind=kind) or 0) + 1
        assert at(after, "errors_total", kind=kind) == expected
    assert at(after, "jobs_total", outcome="failed", model="") == 1


def test_children_do_not_inherit_the_port(running: Running) -> None:
    """An orphaned child would prevent the worker that replaces its parent from serving."""
    # The parent forks these children while it serves.
    running.kill_children()
    running.score("a text that waits until a child is ready")
    local_port = f":{running.port:04X} "
    inodes = [
        line.split()[9]
        for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()
        if local_port in line.split()[1] + " " and line.split()[3] == "0A"
    ]
    assert len(inodes) == 1
    holders = [
        pid
        for pid in (running.worker.process.pid, *running.worker.children())
        if any(str(fd.readlink()) == f"socket:[{inodes[0]}]" for fd in descriptors(pid))
    ]
    assert holders == [running.worker.process.pid]


def descriptors(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/fd").iterdir())


def test_the_documentation_lists_every_metric_with_its_type_and_labels(running: Running) -> None:
    page = (DOCS / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(plumbline_\w+)` \| (\w+) \|([^|]*)\|", page, re.MULTILINE)
    documented = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    exported = running.metric_names()
    assert exported.keys() == documented.keys()
    for name, family in exported.items():
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        # A metric without samples shows no labels.
        assert documented[name][0] == family.type and labels <= documented[name][1], name


def test_the_dashboard_shows_exactly_the_exported_metrics(running: Running) -> None:
    board = (CHECKOUT / "deploy" / "grafana" / "dashboards" / "plumbline.json").read_text("utf-8")
    shown = {
        re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"plumbline_\w+", board)
    }
    assert shown == running.metric_names().keys()
