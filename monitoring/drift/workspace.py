"""Drift reports as runs in an Evidently workspace, so that `evidently ui` shows them over time.

Files in the workspace are never read, so files of another Evidently release break no report.
Imports Evidently, like `monitoring.drift.comparison`.
"""

from __future__ import annotations

import copy
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from secrets import randbits
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4, uuid5

from monitoring.drift.dashboard import METRIC, run_metadata
from monitoring.drift.dashboard_file import update_dashboard
from monitoring.drift.html_page import LARGEST_DISORDER
from monitoring.drift.quiet_import import quiet_import
from plumbline.private_files import FILE_MODE, create_folder

with quiet_import():
    from evidently.core.report import Snapshot
    from evidently.sdk.models import ProjectModel
    from evidently.ui.workspace import Workspace

log = logging.getLogger(__name__)

# The namespace of project ids: a name has the same id in every process, so two processes that start
# at once create one project.
PROJECT_NAMESPACE = UUID("6d0a3b0e-3c0f-5d1c-9a6e-6f1b7c5a2d41")
ALL_SOURCES_TAG = "all sources"
DESCRIPTION = "Plumbline's drift reports of all versions of this model."
# Evidently identifies a metric by its parameters. With these, a line over time would end whenever
# the threshold changes with the window's size.
VARYING_PARAMETERS = ("threshold", "columns", "score", "tests")
# A run takes a fiftieth of the space of a page.
RUNS_PER_PAGE = 5


@dataclass(frozen=True, slots=True)
class WorkspaceRun:
    """A report in the UI's list; `model` is NAME/VERSION, and a `source` of None all sources."""

    report_id: int
    model: str
    source: str | None
    verdict: str
    summary: str
    made_at: datetime


def add_run(
    folder: Path, project: str, content: dict[str, Any], run: WorkspaceRun, keep: int
) -> bool:
    """Add a snapshot's content to its project, and keep the newest `keep` runs there.

    Logs any failure and returns False, because the report matters more than its plots.
    """
    project_folder = folder / str(project_id(project))
    try:
        _write_run(folder, project, with_metadata(content, run), run_id(run.made_at))
        update_dashboard(project_folder, run.source)
        _delete_old_runs(project_folder / "snapshots", run.made_at, keep)
    except Exception as error:
        log.warning(
            "drift report %d was not added to Evidently's workspace %s: %s: %s",
            run.report_id,
            folder,
            type(error).__name__,
            error,
        )
        return False
    return True


def run_id(time: datetime) -> UUID:
    """Return a UUID of version 7 for this time: such ids sort by time.

    Evidently's own would sort by the clocks of the report workers.
    """
    milliseconds = int(time.timestamp() * 1_000)
    # Version and variant have their places among the random bits.
    return UUID(int=milliseconds << 80 | 7 << 76 | randbits(12) << 64 | 2 << 62 | randbits(62))


def project_id(project: str) -> UUID:
    return uuid5(PROJECT_NAMESPACE, project)


def with_metadata(content: dict[str, Any], run: WorkspaceRun) -> dict[str, Any]:
    """Return a snapshot's content with the report's name, tags and metadata.

    The content has results and plots, but no rows.
    """
    metadata = {
        "report": str(run.report_id),
        "model": run.model,
        "verdict": run.verdict,
        "summary": run.summary,
    } | run_metadata(run.source)
    tags = [run.verdict, run.source or ALL_SOURCES_TAG]
    return content | {
        "name": f"report {run.report_id}",
        "tags": tags,
        "metadata": metadata,
        # Evidently reads local times without a zone.
        "timestamp": run.made_at.astimezone().replace(tzinfo=None).isoformat(),
    }


def with_recorded_values(content: dict[str, Any], values: Mapping[str, float]) -> dict[str, Any]:
    """Return a snapshot's content with more values for the dashboard's lines, by name.

    Evidently's legends list them first, and give them the same color in every panel.
    """
    recorded = {name: _recorded_value(name, value) for name, value in values.items()}
    return content | {"metric_results": recorded | content["metric_results"]}


def without_varying_parameters(content: dict[str, Any]) -> dict[str, Any]:
    """Return a snapshot's content whose metrics are the same as those of other reports."""
    content = copy.deepcopy(content)
    for result in content["metric_results"].values():
        parameters = result["metric_value_location"]["metric"]["params"]
        for name in VARYING_PARAMETERS:
            parameters.pop(name, None)
    return content


def _recorded_value(name: str, value: float) -> dict[str, Any]:
    metric = {"metric_id": name, "params": {"type": f"{METRIC}RecordedValue", "name": name}}
    return {
        "type": "evidently:metric_result_v2:SingleValue",
        "display_name": name,
        "metric_value_location": {"metric": metric, "param": {}},
        "value": value,
    }


def _write_run(folder: Path, project: str, content: dict[str, Any], run: UUID) -> None:
    identity = project_id(project)
    with TemporaryDirectory(prefix="plumbline-evidently-") as scratch:
        # A separate workspace, because opening the real one would read everything in it.
        workspace = Workspace(scratch)
        if not (folder / str(identity) / "metadata.json").exists():
            workspace.add_project(ProjectModel(id=identity, name=project, description=DESCRIPTION))
        # Loading fails here for a run that would keep the UI from starting.
        workspace.add_run(identity, Snapshot.load_dict(without_varying_parameters(content)))
        (written_run,) = (Path(scratch) / str(identity) / "snapshots").glob("*.json")
        written_run.rename(written_run.with_name(f"{run}.json"))
        # The project before its run, because a running UI ignores a run of an unknown project.
        written = (Path(scratch) / str(identity)).rglob("*.json")
        for path in sorted(written, key=lambda path: len(path.parts)):
            _copy_file(path, folder / path.relative_to(scratch))


def _copy_file(source: Path, target: Path) -> None:
    """Copy the file whole or not at all. An existing target stays unchanged."""
    create_folder(target.parent)
    partial = target.with_name(f".{uuid4().hex}.partial")
    try:
        partial.touch(FILE_MODE)
        shutil.copyfile(source, partial)
        _link(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def _link(partial: Path, target: Path) -> None:
    try:
        # A running UI is notified of a new link, but not of a renamed file.
        target.hardlink_to(partial)
    except FileExistsError:
        return
    except OSError:
        # The file system has no links; a running UI shows the file after its next start.
        partial.rename(target)


def _delete_old_runs(snapshots: Path, now: datetime, keep: int) -> None:
    """Delete the oldest runs, but runs from the future first; see `monitoring.drift.html_page`."""
    future = str(run_id(now + LARGEST_DISORDER))
    paths = sorted(snapshots.glob("*.json"), key=lambda path: (path.name < future, path.name))
    for path in paths[:-keep]:
        path.unlink(missing_ok=True)
