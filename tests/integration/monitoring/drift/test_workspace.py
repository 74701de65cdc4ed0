"""Reports in Evidently's workspace, read back by Evidently itself and by its UI in a process."""

from __future__ import annotations

import json
import logging
import os
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen
from uuid import UUID

import pytest

from tests.waiting import eventually

EVIDENTLY = Path(sys.executable).with_name("evidently")
JOINT = "evidently:metric_v2:JointDistance"
DISTANCE = "evidently:metric_v2:Distance"


@pytest.fixture(scope="module")
def workspace() -> Any:
    from monitoring.drift import workspace

    return workspace


def snapshot(rows: int = 60, joint: float = 3.0) -> Any:
    from monitoring.drift.comparison import Comparison
    from monitoring.drift.scores import Thresholds

    draw = random.Random(7)
    sides = [
        {
            "chars": [draw.gauss(100, 30) for _ in range(count)],
            "decision": draw.choices(["negative", "positive"], k=count),
        }
        for count in (80, rows)
    ]
    return Comparison(sides[0], sides[1], Thresholds(joint=joint, column=joint + 1)).snapshot


@pytest.fixture(scope="module")
def made() -> Any:
    return snapshot()


def entry(workspace: Any, number: int, source: str | None = None) -> Any:
    return workspace.Entry(number, "spam/1.0.0", source, "stable", "none of 2 columns drifted")


def runs(folder: Path, project: Any) -> dict[str, Any]:
    """By name, as Evidently's own interface reads them."""
    from evidently.ui.workspace import Workspace

    there = Workspace(str(folder))
    found = [there.get_run(project.id, run) for run in there.list_runs(project.id)]
    return {run.name: run for run in found}


def projects(folder: Path) -> Any:
    from evidently.ui.workspace import Workspace

    return Workspace(str(folder)).list_projects()


def test_a_report_is_a_run_of_its_models_project(workspace: Any, made: Any, tmp_path: Path) -> None:
    folder = tmp_path / "state" / "evidently"
    assert workspace.add(folder, "spam", made, entry(workspace, 12), keep=9)
    assert workspace.add(folder, "spam", made, entry(workspace, 13, "shop"), keep=9)
    assert workspace.add(folder, "other", made, entry(workspace, 14), keep=9)
    found = {project.name: project for project in projects(folder)}
    assert found.keys() == {"spam", "other"}
    kept = runs(folder, found["spam"])
    assert kept.keys() == {"report 12", "report 13"}
    assert kept["report 12"].tags == ["stable", "all sources"]
    assert kept["report 13"].tags == ["stable", "shop"]
    assert kept["report 13"].metadata == {
        "report": "13",
        "model": "spam/1.0.0",
        "verdict": "stable",
        "summary": "none of 2 columns drifted",
        "scope": "source",
        "source": "shop",
    }
    values = {
        (result.metric_value_location.metric.params.get("column", "joint")): result.value
        for result in kept["report 12"].metric_results.values()
        if result.metric_value_location.metric.params["type"] in (JOINT, DISTANCE)
    }
    told = {m["config"].get("column", "joint"): m["value"] for m in made.dict()["metrics"][:3]}
    assert values == told and len(told) == 3
    assert not list(folder.rglob("*.partial"))


def test_no_row_of_the_window_is_stored(workspace: Any, tmp_path: Path) -> None:
    sizes = []
    for rows in (200, 4_000):
        folder = tmp_path / str(rows)
        assert workspace.add(folder, "spam", snapshot(rows), entry(workspace, 1), keep=1)
        (run,) = folder.rglob("snapshots/*.json")
        sizes.append(run.stat().st_size)
    assert sizes[1] < 1.2 * sizes[0]


def test_the_snapshot_itself_stays_as_it_was(workspace: Any, made: Any, tmp_path: Path) -> None:
    before = made.dumps()
    workspace.add(tmp_path, "spam", made, entry(workspace, 1), keep=1)
    assert made.dumps() == before
    assert made.get_name() is None


def test_the_newest_runs_of_each_project_are_kept(
    workspace: Any, made: Any, tmp_path: Path
) -> None:
    workspace.add(tmp_path, "other", made, entry(workspace, 0), keep=2)
    for number in range(1, 5):
        workspace.add(tmp_path, "spam", made, entry(workspace, number), keep=2)
    named = {p.name: set(runs(tmp_path, p)) for p in projects(tmp_path)}
    assert named == {"spam": {"report 3", "report 4"}, "other": {"report 0"}}


def test_workers_that_start_at_once_make_one_project(
    workspace: Any, made: Any, tmp_path: Path
) -> None:
    start = threading.Barrier(6)

    def add(number: int) -> bool:
        start.wait()
        return bool(workspace.add(tmp_path, "spam", made, entry(workspace, number), keep=9))

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(add, range(6)))
    (project,) = projects(tmp_path)
    assert set(runs(tmp_path, project)) == {f"report {number}" for number in range(6)}


def test_a_name_is_the_same_project_in_every_process_and_release(workspace: Any) -> None:
    assert workspace.project_id("spam") == UUID("2a916e00-8408-5e22-98c3-2117b86eff68")


def test_a_project_is_there_before_its_run(
    workspace: Any, made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A UI at work passes over a run of a project it does not know."""
    appeared: list[str] = []
    monkeypatch.setattr(workspace, "_publish", lambda _, path: appeared.append(path.parent.name))
    workspace.add(tmp_path, "spam", made, entry(workspace, 1), keep=2)
    assert appeared == [str(workspace.project_id("spam"))] * 2 + ["snapshots"]


def test_what_another_release_wrote_breaks_nothing(
    workspace: Any, made: Any, tmp_path: Path
) -> None:
    project = tmp_path / str(workspace.project_id("spam"))
    old = project / "snapshots" / "00000000-0000-7000-8000-000000000000.json"
    old.parent.mkdir(parents=True)
    old.write_text('{"of": "another release"}')
    (project / "metadata.json").write_text('{"neither": "is this"}')
    assert workspace.add(tmp_path, "spam", made, entry(workspace, 1), keep=2)
    assert old.exists() and len(list(old.parent.iterdir())) == 2
    assert json.loads((project / "metadata.json").read_text()) == {"neither": "is this"}


def test_where_it_cannot_be_written_the_report_goes_on(
    workspace: Any, made: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    (tmp_path / "state").write_text("a file where the folder should be")
    assert not workspace.add(tmp_path / "state" / "x", "spam", made, entry(workspace, 12), keep=2)
    (warning,) = caplog.records
    assert "drift report 12 is not in Evidently's workspace" in warning.getMessage()
    assert warning.levelno == logging.WARNING


def test_on_a_file_system_without_links_it_lands_too(
    workspace: Any, made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert workspace.add(tmp_path, "spam", made, entry(workspace, 1), keep=2)
    (project,) = projects(tmp_path)
    assert set(runs(tmp_path, project)) == {"report 1"}
    assert not list(tmp_path.rglob("*.partial"))


@contextmanager
def ui(folder: Path) -> Iterator[str]:
    """`evidently ui` on a free port, until it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [EVIDENTLY, "ui", "--workspace", folder, "--port", str(port)]
    log = folder.parent / "ui.log"
    environment = os.environ | {"DO_NOT_TRACK": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    try:
        url = f"http://127.0.0.1:{port}/api"
        eventually(lambda: process.poll() is not None or answers(url))
        assert process.poll() is None, log.read_text()
        yield url
    finally:
        process.terminate()
        process.wait(30)


def answers(url: str) -> bool:
    try:
        return bool(get(f"{url}/version"))
    except URLError:
        return False


def get(url: str, question: dict[str, Any] | None = None) -> Any:
    body = json.dumps(question).encode() if question is not None else None
    with urlopen(Request(url, body, {"Content-Type": "application/json"}), timeout=30) as answer:
        return json.load(answer)


def test_evidentlys_ui_shows_the_reports_over_time_and_hears_of_new_ones(
    workspace: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "evidently"
    for number, joint in ((1, 3.0), (2, 3.5)):
        # With another size of the window the threshold is another one.
        made = snapshot(60 * number, joint)
        assert workspace.add(folder, "spam", made, entry(workspace, number), keep=9)
    workspace.add(folder, "spam", made, entry(workspace, 3, "shop"), keep=9)
    with ui(folder) as url:
        (project,) = get(f"{url}/projects")
        assert (project["name"], project["id"]) == ("spam", str(workspace.project_id("spam")))
        listed = get(f"{url}/projects/{project['id']}/reports")
        assert {run["name"] for run in listed} == {"report 1", "report 2", "report 3"}
        page = get(f"{url}/projects/{project['id']}/{listed[0]['id']}/data")
        assert "standard errors" in json.dumps(page)

        panels = get(f"{url}/v2/dashboards/{project['id']}")["panels"]
        assert [panel["title"] for panel in panels] == ["All columns together", "Each column"]
        lines = [line for panel in panels for line in panel["values"]]
        series = get(
            f"{url}/v2/snapshots/{project['id']}/data_series_batch", {"series_filter": lines}
        )["series"]
        # A line each, unbroken, of the reports of all sources.
        assert sorted(line["params"].get("column", "") for line in series) == [
            "", "chars", "decision"
        ]  # fmt: skip
        assert all(len(line["values"]) == 2 and None not in line["values"] for line in series)

        workspace.add(folder, "spam", made, entry(workspace, 4), keep=2)
        workspace.add(folder, "young", made, entry(workspace, 5), keep=2)
        young = str(workspace.project_id("young"))
        assert eventually(lambda: named(url, project["id"]) == {"report 3", "report 4"})
        assert eventually(lambda: {p["id"] for p in get(f"{url}/projects")} >= {young})
        assert eventually(lambda: named(url, young) == {"report 5"})


def named(url: str, project: str) -> set[str]:
    return {run["name"] for run in get(f"{url}/projects/{project}/reports")}
