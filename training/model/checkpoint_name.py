"""The name by which a model card calls a pretrained folder."""

from __future__ import annotations

import json
import re
from pathlib import Path

# A snapshot of the hub is .../models--ORGANIZATION--NAME/snapshots/COMMIT.
SNAPSHOTS = "snapshots"
HUB_FOLDER = re.compile(r"models--(?:(.+?)--)?(.+)")
COMMIT_DIGITS = 7
# Names that say nothing by themselves.
GENERIC = re.compile(
    r"(out|output|model|models|final|best|checkpoint|pretrained)([-_]?\d+)?|[\d._-]+|[0-9a-f]{8,}"
)


def checkpoint_name(folder: Path) -> str:
    """Return the name of a folder in words that mean something on another machine.

    That is the name on the hub, if the folder is a download of it or config.json states it;
    otherwise the folder's own, with the one above if its own says nothing.
    """
    path = folder.resolve()
    if path.parent.name == SNAPSHOTS and (hub := HUB_FOLDER.fullmatch(path.parent.parent.name)):
        return f"{'/'.join(filter(None, hub.groups()))}@{path.name[:COMMIT_DIGITS]}"
    name = path.name
    if GENERIC.fullmatch(name.casefold()) and path.parent.name:
        name = f"{path.parent.name}/{name}"
    original = _stated_name(folder)
    return name if original in ("", path.name) else f"{original} in {name}"


def _stated_name(folder: Path) -> str:
    """Return what config.json states as its origin, unless that is a path or missing."""
    try:
        stated = json.loads((folder / "config.json").read_text(encoding="utf-8"))["_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    is_name = isinstance(stated, str) and re.fullmatch(r"[\w.-]+(/[\w.-]+)?", stated)
    return str(stated) if is_name and not stated.startswith(".") else ""
