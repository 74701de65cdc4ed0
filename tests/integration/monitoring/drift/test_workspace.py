"""Reports in Evidently's workspace, read back by Evidently itself and by a running UI."""

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
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen
from uuid import UUID

import pytest

from monitoring.drift.dashboard import COLUMN_THRESHOLD, JOINT_THRESHOLD, REALIZED
from monitoring.drift.histogram import label_histogram, number_histogram
from monitoring.drift.page_content import page_content
from tests.drift_heading import heading
from tests.waiting import eventually

EVIDENTLY = Path(sys.executable).with_name("evidently")
JOINT = "evidently:metric_v2:JointDistance"
DISTANCE = "evidently:metric_v2:Distance"
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def workspace() -> Any:
    from monitoring.drift import workspace

    return workspace


def make_content(rows: int = 60, joint: float = 3.0) -> dict[str, Any]:
    """Return the content of a report's page, whose window has this many rows."""
    from monitoring.drift.comparison import Comparison
    from monitoring.drift.threshold import Thresholds
    from monitoring.drift.workspace import with_recorded_values

    draw = random.Random(7)
    sides = [
        {
            "chars": [draw.gauss(100, 30) for _ in range(count)],
            "decision": draw.choices(["negative", "positive"], k=count),
        }
        for count in (80, rows)
    ]
    comparison = Comparison(sides[0], sides[1], Thresholds(joint=joint, column=joint + 1))
    histograms = {
        "chars": number_histogram(sides[0]["chars"], sides[1]["chars"]),
        "decision": label_histogram(sides[0]["decision"], sides[1]["decision"]),
    }
    content = page_content(comparison.content(), heading(), comparison.features(), histograms)
    recorded = {JOINT_THRESHOLD: joint, COLUMN_THRESHOLD: joint + 1, REALIZED: 0.97}
    return with_recorded_values(content, recorded)


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    return make_content()


def run(workspace: Any, number: int, source: str | None = None) -> Any:
    made_at = NOON + timedelta(minutes=number)
    return workspace.WorkspaceRun(
        number, "spam/1.0.0", source, "stable", "none of 2 features drifted", made_at
    )


def runs(folder: Path, project: Any) -> dict[str, Any]:
    """Return the runs by name, as Evidently reads them."""
    from evidently.ui.workspace import Workspace

    workspace = Workspace(str(folder))
    stored = [workspace.get_run(project.id, run_id) for run_id in workspace.list_runs(project.id)]
    return {run.name: run for run in stored}


def projects(folder: Path) -> Any:
    from evidently.ui.workspace import Workspace

    return Workspace(str(folder)).list_projects()


def test_report_is_a_run_in_the_project_of_its_model(
    workspace: Any, content: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "state" / "evidently"
    assert workspace.add_run(folder, "spam", content, run(workspace, 12), keep=9)
    assert workspace.add_run(folder, "spam", content, run(workspace, 13, "shop"), keep=9)
    assert workspace.add_run(folder, "other", content, run(workspace, 14), keep=9)
    by_name = {project.name: project for project in projects(folder)}
    assert by_name.keys() == {"spam", "other"}
    stored = runs(folder, by_name["spam"])
    assert stored.keys() == {"report 12", "report 13"}
    assert stored["report 12"].tags == ["stable", "all sources"]
    assert stored["report 13"].tags == ["stable", "shop"]
    assert stored["report 13"].metadata == {
        "report": "13",
        "model": "spam/1.0.0",
        "verdict": "stable",
        "summary": "none of 2 features drifted",
        "scope": "source",
        "source": "shop",
    }
    values = {
        (result.metric_value_location.metric.params.get("column", "joint")): result.value
        for result in stored["report 12"].metric_results.values()
        if result.metric_value_location.metric.params["type"] in (JOINT, DISTANCE)
    }
    # The two of the recorded thresholds and the accuracy come first.
    scores = list(content["metric_results"].values())[3:]
    assert list(values.values()) == [result["value"] for result in scores]
    assert list(values) == ["joint", "chars", "decision"]
    assert not list(folder.rglob("*.partial"))


def test_run_contains_no_rows_of_the_window(workspace: Any, tmp_path: Path) -> None:
    sizes = []
    for rows in (200, 4_000):
        folder = tmp_path / str(rows)
        assert workspace.add_run(folder, "spam", make_content(rows), run(workspace, 1), keep=1)
        (path,) = folder.rglob("snapshots/*.json")
        sizes.append(path.stat().st_size)
    assert sizes[1] < 1.2 * sizes[0]


def test_content_itself_is_not_changed(
    workspace: Any, content: dict[str, Any], tmp_path: Path
) -> None:
    before = json.dumps(content)
    workspace.add_run(tmp_path, "spam", content, run(workspace, 1), keep=1)
    assert json.dumps(content) == before


def test_newest_runs_of_each_project_are_kept(
    workspace: Any, content: dict[str, Any], tmp_path: Path
) -> None:
    workspace.add_run(tmp_path, "other", content, run(workspace, 0), keep=2)
    for number in range(1, 5):
        workspace.add_run(tmp_path, "spam", content, run(workspace, number), keep=2)
    names = {p.name: set(runs(tmp_path, p)) for p in projects(tmp_path)}
    assert names == {"spam": {"report 3", "report 4"}, "other": {"report 0"}}


def test_runs_named_by_a_clock_that_was_ahead_do_not_displace_new_ones(
    workspace: Any, content: dict[str, Any], tmp_path: Path
) -> None:
    workspace.add_run(tmp_path, "spam", content, run(workspace, 60 * 24 * 40), keep=2)
    workspace.add_run(tmp_path, "spam", content, run(workspace, 60 * 24 * 41), keep=2)
    for number in range(1, 4):
        workspace.add_run(tmp_path, "spam", content, run(workspace, number), keep=2)
    (project,) = projects(tmp_path)
    stored = runs(tmp_path, project)
    assert stored.keys() == {"report 2", "report 3"}
    assert stored["report 3"].timestamp.astimezone() == NOON + timedelta(minutes=3)


def test_concurrent_workers_create_one_project(
    workspace: Any, content: dict[str, Any], tmp_path: Path
) -> None:
    start = threading.Barrier(6)

    def add(number: int) -> bool:
        start.wait()
        return bool(workspace.add_run(tmp_path, "spam", content, run(workspace, number), keep=9))

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(add, range(6)))
    (project,) = projects(tmp_path)
    assert set(runs(tmp_path, project)) == {f"report {number}" for number in range(6)}


def test_project_id_depends_on_the_name_alone(workspace: Any) -> None:
    assert workspace.project_id("spam") == UUID("2a916e00-8408-5e22-98c3-2117b86eff68")


def test_project_is_written_before_its_run(
    workspace: Any, content: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A running UI ignores a run of an unknown project."""
    folders: list[str] = []
    monkeypatch.setattr(workspace, "_copy_file", lambda _, path: folders.append(path.parent.name))
    workspace.add_run(tmp_path, "spam", content, run(workspace, 1), keep=2)
    assert folders == [str(workspace.project_id("spam")), "snapshots"]


def test_files_of_another_evidently_release_are_ignored(
    workspace: Any, content: dict[str, Any], tmp_path: Path
) -> None:
    project = tmp_path / str(workspace.project_id("spam"))
    old = project / "snapshots" / "00000000-0000-7000-8000-000000000000.json"
    old.parent.mkdir(parents=True)
    old.write_text('{"of": "another release"}')
    (project / "metadata.json").write_text('{"also": "unreadable"}')
    assert workspace.add_run(tmp_path, "spam", content, run(workspace, 1), keep=2)
    assert old.exists() and len(list(old.parent.iterdir())) == 2
    assert json.loads((project / "metadata.json").read_text()) == {"also": "unreadable"}


def test_unwritable_workspace_is_logged_and_does_not_raise(
    workspace: Any, content: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    (tmp_path / "state").write_text("a file instead of a folder")
    assert not workspace.add_run(
        tmp_path / "state" / "x", "spam", content, run(workspace, 12), keep=2
    )
    (warning,) = caplog.records
    assert "drift report 12 was not added to Evidently's workspace" in warning.getMessage()
    assert warning.levelno == logging.WARNING


def test_file_system_without_links_is_supported(
    workspace: Any, content: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert workspace.add_run(tmp_path, "spam", content, run(workspace, 1), keep=2)
    (project,) = projects(tmp_path)
    assert set(runs(tmp_path, project)) == {"report 1"}
    assert not list(tmp_path.rglob("*.partial"))


@contextmanager
def ui(folder: Path) -> Iterator[str]:
    """Start `evidently ui` on a free port and yield its address once it answers."""
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
        eventually(lambda: process.poll() is not None or is_ready(url))
        assert process.poll() is None, log.read_text()
        yield url
    finally:
        process.terminate()
        process.wait(30)


def is_ready(url: str) -> bool:
    try:
        return bool(request_json(f"{url}/version"))
    except URLError:
        return False


def request_json(url: str, payload: dict[str, Any] | None = None) -> Any:
    body = json.dumps(payload).encode() if payload is not None else None
    request = Request(url, body, {"Content-Type": "application/json"})
    with urlopen(request, timeout=30) as response:
        return json.load(response)


def test_running_ui_shows_reports_over_time_and_new_ones(workspace: Any, tmp_path: Path) -> None:
    folder = tmp_path / "evidently"
    for number, joint in ((1, 3.0), (2, 3.5)):
        # The threshold differs, because the windows have different sizes.
        content = make_content(60 * number, joint)
        assert workspace.add_run(folder, "spam", content, run(workspace, number), keep=9)
    workspace.add_run(folder, "spam", content, run(workspace, 3, "shop"), keep=9)
    with ui(folder) as url:
        (project,) = request_json(f"{url}/projects")
        assert (project["name"], project["id"]) == ("spam", str(workspace.project_id("spam")))
        listed = request_json(f"{url}/projects/{project['id']}/reports")
        assert {run["name"] for run in listed} == {"report 1", "report 2", "report 3"}
        page = request_json(f"{url}/projects/{project['id']}/{listed[0]['id']}/data")
        assert "standard errors" in json.dumps(page)

        panels = request_json(f"{url}/v2/dashboards/{project['id']}")["panels"]
        # Unbroken lines over the two reports on all sources, and one report on a source.
        assert {panel["title"]: drawn(url, project["id"], panel) for panel in panels} == {
            "All sources: all columns together": {"threshold": 2, "all columns together": 2},
            "All sources: predictions": {"threshold": 2, "decision": 2},
            "All sources: inputs, form of the texts": {"threshold": 2, "chars": 2},
            "All sources: inputs, familiarity": {"threshold": 2},
            "All sources: quality (accuracy)": {"realized (labels)": 2},
            "shop: all columns together": {"threshold": 1, "all columns together": 1},
            "shop: predictions": {"threshold": 1, "decision": 1},
            "shop: inputs, form of the texts": {"threshold": 1, "chars": 1},
            "shop: inputs, familiarity": {"threshold": 1},
            "shop: quality (accuracy)": {"realized (labels)": 1},
        }

        workspace.add_run(folder, "spam", content, run(workspace, 4), keep=2)
        workspace.add_run(folder, "new", content, run(workspace, 5), keep=2)
        new_project = str(workspace.project_id("new"))
        assert eventually(lambda: run_names(url, project["id"]) == {"report 3", "report 4"})
        assert eventually(
            lambda: {p["id"] for p in request_json(f"{url}/projects")} >= {new_project}
        )
        assert eventually(lambda: run_names(url, new_project) == {"report 5"})


def drawn(url: str, project: str, panel: dict[str, Any]) -> dict[str, int]:
    """Return the lines of a panel and their numbers of points, as the UI asks for them."""
    lines = panel["values"]
    answer = request_json(
        f"{url}/v2/snapshots/{project}/data_series_batch", {"series_filter": lines}
    )
    assert all(None not in line["values"] for line in answer["series"])
    return {lines[line["filter_index"]]["legend"]: len(line["values"]) for line in answer["series"]}


def run_names(url: str, project: str) -> set[str]:
    return {run["name"] for run in request_json(f"{url}/projects/{project}/reports")}
