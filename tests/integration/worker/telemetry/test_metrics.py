"""/metrics of a real worker: what its children did, whatever became of them, and how all stands."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection

from plumbline.embedded.child import LOCALHOST, choose_port
from plumbline_client import Client
from storage.database import connect
from tests import poison
from tests.paths import CHECKOUT
from tests.servers import database, redis_server
from tests.waiting import eventually
from tests.workers import Worker, worker
from worker.telemetry import ledger_metrics
from worker.telemetry.ledger_metrics import LedgerCollector

MODEL = "sms-spam/1.0.0"
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass(frozen=True, slots=True)
class Running:
    worker: Worker
    client: Client
    port: int

    def page(self) -> str:
        with urlopen(f"http://{LOCALHOST}:{self.port}/metrics", timeout=30) as answer:
            return str(answer.read().decode())

    def families(self) -> list[Metric]:
        return list(text_string_to_metric_families(self.page()))

    def series(self) -> Series:
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families()
            for sample in family.samples
        }

    def kill_children(self) -> None:
        """Kill them all, and wait for those that take their place."""
        before = self.worker.children()
        for child in before:
            os.kill(child, signal.SIGKILL)
        eventually(
            lambda: len(set(self.worker.children()) - set(before)) == len(before),
            otherwise="no new children came",
        )

    def score(self, *texts: str) -> None:
        self.client.wait([receipt.job_id for receipt in self.client.submit_many(texts)])


@pytest.fixture(scope="module")
def running(
    postgres_server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    port = choose_port(None)
    settings = {"metrics_port": port, "max_attempts": 1}
    folder = tmp_path_factory.mktemp("metrics")
    with (
        database(postgres_server_url, template) as url,
        redis_server(tmp_path_factory.mktemp("redis")) as broker_url,
        worker(url, broker_url, folder, settings=settings, app="tests.poison_app") as found,
        Client(url, broker_url) as client,
    ):
        found.until_logged("metrics are served at")
        running = Running(found, client, port)
        # What has a version for a label is there from the first text on.
        running.score("the first")
        yield running


def at(series: Series, name: str, **labels: str) -> float | None:
    return series.get((f"plumbline_{name}", frozenset(labels.items())))


def counted(series: Series) -> Series:
    endings = ("_total", "_bucket", "_count", "_sum")
    return {key: value for key, value in series.items() if key[0].endswith(endings)}


def test_what_the_children_did_is_counted(running: Running) -> None:
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


def test_no_counter_goes_down_whatever_is_killed(running: Running) -> None:
    running.score(*[f"number {n}" for n in range(8)])
    before = running.series()
    running.kill_children()
    now = running.series()
    assert {key for key, value in counted(before).items() if now.get(key, 0) < value} == set()
    running.score(*[f"number {n}" for n in range(8)])
    after = running.series()
    assert {key for key, value in counted(now).items() if after.get(key, 0) < value} == set()
    scored = at(before, "jobs_total", outcome="scored", model=MODEL) or 0
    assert at(after, "jobs_total", outcome="scored", model=MODEL) == scored + 8


def test_a_text_that_kills_its_process_is_an_error(running: Running) -> None:
    before = running.series()
    running.score(poison.SEGFAULT)
    running.score(poison.RAISE)
    after = running.series()
    for kind in ("crash", "model"):
        counted = (at(before, "errors_total", kind=kind) or 0) + 1
        assert at(after, "errors_total", kind=kind) == counted
    assert at(after, "jobs_total", outcome="failed", model="") == 1


def test_an_orphaned_child_does_not_keep_the_port(running: Running) -> None:
    """It would keep the worker that replaces its parent from serving."""
    # These are made by a parent that serves already.
    running.kill_children()
    running.score("one that waits for a child to be ready")
    ours = f":{running.port:04X} "
    inodes = [
        line.split()[9]
        for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()
        if ours in line.split()[1] + " " and line.split()[3] == "0A"
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


def test_the_documentation_has_every_metric_as_it_is(running: Running) -> None:
    page = (CHECKOUT / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(plumbline_\w+)` \| (\w+) \|([^|]*)\|", page, re.MULTILINE)
    documented = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    exported = {}
    for family in running.families():
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        exported[name] = (family.type, labels)
    assert exported.keys() == documented.keys()
    for name, (kind, labels) in exported.items():
        # A family without a sample shows no labels.
        assert documented[name][0] == kind and labels <= documented[name][1], name


def test_the_dashboard_shows_every_metric_and_no_other(running: Running) -> None:
    board = (CHECKOUT / "deploy" / "grafana" / "dashboards" / "plumbline.json").read_text("utf-8")
    shown = {
        re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"plumbline_\w+", board)
    }
    exported = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in running.families()
    }
    assert shown == exported


def test_figures_are_those_of_the_tables(database_url: str) -> None:
    engine = connect(database_url)
    with engine.begin() as connection:
        for statement in ROWS:
            connection.exec_driver_sql(statement)
    engine.dispose()
    registry = CollectorRegistry()
    registry.register(LedgerCollector(database_url))
    told = {
        (sample.name.removeprefix("plumbline_"), *sample.labels.values()): sample.value
        for family in registry.collect()
        for sample in family.samples
    }
    oldest = told.pop(("oldest_queued_seconds",))
    assert 3_600 <= oldest < 3_700
    assert told.pop(("drift_report_timestamp_seconds", "shop")) > 0
    assert told.pop(("drift_report_timestamp_seconds", "")) > 0
    quality = {key: value for key, value in told.items() if key[0].startswith("quality")}
    assert {key: value for key, value in told.items() if key not in quality} == {
        ("database_up",): 1,
        ("queue_jobs", "queued"): 2,
        ("queue_jobs", "leased"): 1,
        ("quarantined_jobs",): 1,
        ("live_model_info", "a/1.0.0", "live"): 1,
        ("live_model_info", "a/2.0.0", "canary"): 1,
        ("canary_ratio",): 0.25,
        ("drift_verdict_info", "", "drift"): 1,
        ("drift_verdict_info", "shop", "stable"): 1,
        ("alert_firing", "drift", "shop", "warning"): 1,
    }
    assert quality == {
        ("quality_ratio", "a/1.0.0", "live", "", "f1", "estimated"): 0.9,
        ("quality_ratio", "a/1.0.0", "live", "", "f1", "estimated_low"): 0.8,
        ("quality_ratio", "a/1.0.0", "live", "", "f1", "estimated_high"): 0.95,
        ("quality_ratio", "a/1.0.0", "live", "", "f1", "realized"): 0.85,
        ("quality_labelled_jobs", "a/1.0.0", "live", ""): 70,
    }


ROWS = (
    """INSERT INTO plumbline.jobs (id, source, text, text_sha256, state, created_at)
       SELECT gen_random_uuid(), 'shop', 'a', '', state, now() - age * interval '1 hour'
       FROM (VALUES ('queued', 1), ('queued', 0), ('leased', 5), ('quarantined', 9),
                    ('scored', 9)) AS given (state, age)""",
    """INSERT INTO plumbline.model_versions (model, manifest_sha256, metrics)
       VALUES ('a/1.0.0', '', '{}'), ('a/2.0.0', '', '{}')""",
    """INSERT INTO plumbline.deployments (model, canary, canary_share, deployed_by, reason)
       VALUES ('a/1.0.0', 'a/2.0.0', 0.25, 'me', 'why')""",
    """INSERT INTO plumbline.drift_reports
           (model, source, verdict, summary, window_rows, reference_rows, took_ms)
       VALUES ('a/1.0.0', NULL, 'stable', '', 1, 1, 1), ('a/1.0.0', 'shop', 'stable', '', 1, 1, 1),
              ('a/1.0.0', NULL, 'drift', '', 1, 1, 1)""",
    """INSERT INTO plumbline.alerts
           (rule, subject, severity, message, value, threshold, resolved_at)
       VALUES ('drift', 'shop', 'warning', '', 1, 1, NULL),
              ('age', 'all', 'critical', '', 1, 1, now())""",
    """INSERT INTO plumbline.quality_reports
           (model, role, window_from, window_to, window_rows, labelled_rows)
       VALUES ('a/1.0.0', 'live', now() - interval '2 hours', now() - interval '1 hour', 99, 70)""",
    """INSERT INTO plumbline.quality_values
           (report_id, metric, estimated, estimated_low, estimated_high, realized)
       SELECT id, 'f1', 0.9, 0.8, 0.95, 0.85 FROM plumbline.quality_reports""",
)


def test_a_figure_that_takes_too_long_is_left_out(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def slow(connection: Connection) -> list[Metric]:
        connection.exec_driver_sql("SELECT pg_sleep(30)")
        raise AssertionError("nothing stopped it")

    monkeypatch.setattr(ledger_metrics, "LIMIT_S", 0.02)
    monkeypatch.setattr(ledger_metrics, "FIGURES", (slow, ledger_metrics.quarantined))
    found = {metric.name: metric for metric in LedgerCollector(database_url).collect()}
    assert found.keys() == {"plumbline_database_up", "plumbline_quarantined_jobs"}
    assert found["plumbline_database_up"].samples[0].value == 1
    assert "the metrics of slow are left out" in caplog.text
