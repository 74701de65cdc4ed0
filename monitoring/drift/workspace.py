"""Reports in a workspace of Evidently, so that `evidently ui` shows them over time.

Nothing that lies there is read, so what another release of Evidently wrote breaks no report. Brings
Evidently, like `monitoring.drift.comparison`.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4, uuid5

from monitoring.drift.evidently_import import silence

with silence():
    from evidently.core.report import Snapshot
    from evidently.sdk.models import DashboardModel, DashboardTabModel, PanelMetric, ProjectModel
    from evidently.sdk.panels import line_plot_panel
    from evidently.ui.workspace import Workspace

log = logging.getLogger(__name__)

# A name gives the same project in every process, and two that start at once make one.
PROJECTS = UUID("6d0a3b0e-3c0f-5d1c-9a6e-6f1b7c5a2d41")
OVERALL = "all sources"
DESCRIPTION = "Plumbline's drift reports of all versions of this model."
# Evidently takes each of a metric's parameters for a part of its name: with these among them a line
# over time would break wherever a threshold changes with the window's size.
CHANGING = ("threshold", "columns")


@dataclass(frozen=True, slots=True)
class Entry:
    """What the UI's list says of a report; `model` is NAME/VERSION, `source` None for all."""

    report_id: int
    model: str
    source: str | None
    verdict: str
    summary: str


def add(folder: Path, project: str, snapshot: Any, entry: Entry, keep: int) -> bool:
    """Add a report's Evidently snapshot to its project, and keep the newest `keep` there.

    Says in the log what went wrong, and returns False: a report is worth more than its picture.
    """
    try:
        content = labelled(json.loads(snapshot.dumps()), entry)
        _write(folder, project, content)
        _prune(folder / str(project_id(project)) / "snapshots", keep)
    except Exception as error:
        log.warning(
            "drift report %d is not in Evidently's workspace %s, and goes on without: %s: %s",
            entry.report_id,
            folder,
            type(error).__name__,
            error,
        )
        return False
    return True


def project_id(project: str) -> UUID:
    return uuid5(PROJECTS, project)


def labelled(content: dict[str, Any], entry: Entry) -> dict[str, Any]:
    """Say in a snapshot's content whose it is. It holds results and pictures, and no rows."""
    metadata = {
        "report": str(entry.report_id),
        "model": entry.model,
        "verdict": entry.verdict,
        "summary": entry.summary,
        # Beside the tag, since a source may be named like the tag of all.
        "scope": "source" if entry.source else "all",
        "source": entry.source or "",
    }
    tags = [entry.verdict, entry.source or OVERALL]
    name = f"report {entry.report_id}"
    return content | {"name": name, "tags": tags, "metadata": metadata}


def distances(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The parameters of every metric that has a threshold."""
    places = (result["metric_value_location"] for result in content["metric_results"].values())
    found = [place["metric"]["params"] for place in places]
    return [parameters for parameters in found if "threshold" in parameters]


def dashboard(found: Sequence[dict[str, Any]]) -> DashboardModel:
    """Lines over time, of the reports of all sources: the joint distance, and each column's."""
    together = [_line(one) for one in found if "column" not in one]
    apart = [_line(one) for one in found if "column" in one]
    panels = [
        line_plot_panel(title, lines, "Standard errors from the reference", size="full")
        for title, lines in (("All columns together", together), ("Each column", apart))
        if lines
    ]
    # Without a tab the UI shows none of them.
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


def _write(folder: Path, project: str, content: dict[str, Any]) -> None:
    identity = project_id(project)
    found = distances(content)
    panels = dashboard(found)
    for parameters in found:
        for name in CHANGING:
            parameters.pop(name, None)
    with TemporaryDirectory(prefix="plumbline-evidently-") as scratch:
        # In a workspace of its own: opening ours would read everything in it.
        workspace = Workspace(scratch)
        if not (folder / str(identity) / "metadata.json").exists():
            workspace.add_project(ProjectModel(id=identity, name=project, description=DESCRIPTION))
            workspace.save_dashboard(identity, panels)
        # Loading fails where the UI's would; one such run would keep the UI from starting.
        workspace.add_run(identity, Snapshot.load_dict(content))
        # The project before its run: a UI at work passes over a run of a project it does not know.
        made = (Path(scratch) / str(identity)).rglob("*.json")
        for path in sorted(made, key=lambda path: len(path.parts)):
            _publish(path, folder / path.relative_to(scratch))


def _publish(made: Path, path: Path) -> None:
    """Let the file appear whole or not at all; one that is there already stays as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{uuid4().hex}.partial")
    try:
        shutil.copyfile(made, partial)
        _appear(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _appear(partial: Path, path: Path) -> None:
    try:
        # A UI at work hears of a new link, and hears nothing of a file that was renamed.
        path.hardlink_to(partial)
    except FileExistsError:
        return
    except OSError:
        # The file system has no links; a UI at work sees the file once it starts again.
        partial.rename(path)


def _prune(snapshots: Path, keep: int) -> None:
    # Evidently's names are UUIDs of version 7, which are in the order of time.
    for path in sorted(snapshots.glob("*.json"))[:-keep]:
        path.unlink(missing_ok=True)
