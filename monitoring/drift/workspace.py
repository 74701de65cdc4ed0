"""Drift reports as runs in an Evidently workspace, so that `evidently ui` shows them over time.

Files in the workspace are never read, so files of another Evidently release break no report.
Imports Evidently, like `monitoring.drift.comparison`.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from secrets import randbits
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4, uuid5

from monitoring.drift.html_page import LARGEST_DISORDER
from monitoring.drift.quiet_import import quiet_import
from plumbline.private_files import FILE_MODE, create_folder

with quiet_import():
    from evidently.core.report import Snapshot
    from evidently.sdk.models import DashboardModel, DashboardTabModel, PanelMetric, ProjectModel
    from evidently.sdk.panels import line_plot_panel
    from evidently.ui.workspace import Workspace

log = logging.getLogger(__name__)

# The namespace of project ids: a name has the same id in every process, so two processes that start
# at once create one project.
PROJECT_NAMESPACE = UUID("6d0a3b0e-3c0f-5d1c-9a6e-6f1b7c5a2d41")
ALL_SOURCES_TAG = "all sources"
DESCRIPTION = "Plumbline's drift reports of all versions of this model."
# Evidently identifies a metric by its parameters. With these, a line over time would end whenever
# the threshold changes with the window's size.
VARYING_PARAMETERS = ("threshold", "columns")


@dataclass(frozen=True, slots=True)
class WorkspaceRun:
    """A report in the UI's list; `model` is NAME/VERSION, and a `source` of None all sources."""

    report_id: int
    model: str
    source: str | None
    verdict: str
    summary: str
    made_at: datetime


def add_run(folder: Path, project: str, snapshot: Any, run: WorkspaceRun, keep: int) -> bool:
    """Add a report's Evidently snapshot to its project, and keep the newest `keep` runs there.

    Logs any failure and returns False, because the report matters more than its plots.
    """
    try:
        content = with_metadata(json.loads(snapshot.dumps()), run)
        _write_run(folder, project, content, run_id(run.made_at))
        _delete_old_runs(folder / str(project_id(project)) / "snapshots", run.made_at, keep)
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
        # In addition to the tag, because a source may be named like ALL_SOURCES_TAG.
        "scope": "source" if run.source else "all",
        "source": run.source or "",
    }
    tags = [run.verdict, run.source or ALL_SOURCES_TAG]
    return content | {
        "name": f"report {run.report_id}",
        "tags": tags,
        "metadata": metadata,
        # Evidently reads local times without a zone.
        "timestamp": run.made_at.astimezone().replace(tzinfo=None).isoformat(),
    }


def score_parameters(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the parameters of every metric that has a threshold: those with a drift score."""
    locations = [result["metric_value_location"] for result in content["metric_results"].values()]
    parameters = [location["metric"]["params"] for location in locations]
    return [of_metric for of_metric in parameters if "threshold" in of_metric]


def dashboard(parameters: Sequence[dict[str, Any]]) -> DashboardModel:
    """Return line plots over time of the joint score and of each column's, for all sources."""
    joint = [_line(of_metric) for of_metric in parameters if "column" not in of_metric]
    columns = [_line(of_metric) for of_metric in parameters if "column" in of_metric]
    panels = [
        line_plot_panel(title, lines, "Standard errors from the reference", size="full")
        for title, lines in (("All columns together", joint), ("Each column", columns))
        if lines
    ]
    # The UI shows no panel outside a tab.
    tab = DashboardTabModel(title="Drift", panels=[panel.id for panel in panels])
    return DashboardModel(tabs=[tab], panels=panels)


def _line(parameters: dict[str, Any]) -> PanelMetric:
    column = parameters.get("column")
    return PanelMetric(
        legend=column or "all columns",
        metric=parameters["type"],
        metric_labels={"column": column} if column else {},
        metadata={"scope": "all"},
    )


def _write_run(folder: Path, project: str, content: dict[str, Any], run: UUID) -> None:
    identity = project_id(project)
    parameters = score_parameters(content)
    panels = dashboard(parameters)
    for of_metric in parameters:
        for name in VARYING_PARAMETERS:
            of_metric.pop(name, None)
    with TemporaryDirectory(prefix="plumbline-evidently-") as scratch:
        # A separate workspace, because opening the real one would read everything in it.
        workspace = Workspace(scratch)
        if not (folder / str(identity) / "metadata.json").exists():
            workspace.add_project(ProjectModel(id=identity, name=project, description=DESCRIPTION))
            workspace.save_dashboard(identity, panels)
        # Loading fails here for a run that would keep the UI from starting.
        workspace.add_run(identity, Snapshot.load_dict(content))
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
