"""The files of a project's dashboard: Evidently's, and which sources it has panels for."""

from __future__ import annotations

import fcntl
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from monitoring.drift.dashboard import METRIC, PREDICTIONS, Dashboard, with_source
from plumbline.atomic_file import replacing
from scoring.input.features import INPUT_FEATURES

log = logging.getLogger(__name__)
DASHBOARD = "dashboard.json"
# Evidently reads no file of this name.
SOURCES = "plumbline.json"
LOCK = ".plumbline.lock"


def update_dashboard(project: Path, source: str | None) -> None:
    """Add the panels of all sources and of this one, unless they were added before.

    A dashboard that cannot be read, such as that of another release of Evidently, stays as it is.
    Raises OSError.
    """
    with _locked(project):
        try:
            present = read_dashboard(project)
        except (ValueError, KeyError, TypeError) as error:
            log.warning(
                "the dashboard %s is not updated, because it cannot be read (%s)",
                project / DASHBOARD,
                type(error).__name__,
            )
            return
        updated = with_source(present, source)
        if present is None or updated.document != present.document:
            _write(project / DASHBOARD, updated.document)
        if present is None or updated.sources != present.sources:
            _write(project / SOURCES, {"sources": updated.sources})


def read_dashboard(project: Path) -> Dashboard | None:
    """Return None if there is no dashboard, or one of an earlier release that nobody changed."""
    path = project / DASHBOARD
    if not path.exists():
        return None
    document = json.loads(path.read_text(encoding="utf-8"))
    _check(document)
    sources_path = project / SOURCES
    if not sources_path.exists():
        return None if is_untouched_first_layout(document) else Dashboard(document, [])
    return Dashboard(
        document, list(json.loads(sources_path.read_text(encoding="utf-8"))["sources"])
    )


def is_untouched_first_layout(document: dict[str, Any]) -> bool:
    """Return whether this is what earlier releases wrote: one tab with two panels."""
    tabs = [tab["title"] for tab in document["tabs"]]
    lines = [
        (panel["title"], panel["size"], line["metric"], line["legend"])
        for panel in document["panels"]
        for line in panel["values"]
    ]
    joint, each = "All columns together", "Each column"
    names = (*PREDICTIONS, *INPUT_FEATURES)
    expected = [
        (joint, "full", f"{METRIC}JointDistance", "all columns"),
        *((each, "full", f"{METRIC}Distance", name) for name in names),
    ]
    return tabs == ["Drift"] and len(document["panels"]) == 2 and lines == expected


def _check(document: Any) -> None:
    """Raise KeyError or TypeError for a document without the parts that are read here."""
    for part in (*document["tabs"], *document["panels"]):
        part["id"]


def _write(path: Path, document: dict[str, Any]) -> None:
    with replacing(path) as partial:
        partial.write_text(json.dumps(document, indent=1), encoding="utf-8")


@contextmanager
def _locked(project: Path) -> Iterator[None]:
    """Hold the project's lock: several reports workers may share the folder."""
    with (project / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:
            # The file system has no locks. At worst, a worker adds panels that another removes.
            log.debug("the dashboard of %s is updated without a lock", project)
        yield
