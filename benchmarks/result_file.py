"""The JSON that a benchmark writes: the machine, the versions, the command and the figures."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# Instructions that decide how fast a runtime multiplies, as /proc/cpuinfo names them.
VECTOR_FLAGS = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "avx512_bf16",
    "amx_int8",
    "amx_bf16",
)


def add_output_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, help="write the figures to this JSON file as well")


def write_result(path: Path | None, figures: Any, packages: tuple[str, ...] = ()) -> None:
    """Write `figures` with what they were measured on; nothing if `path` is None."""
    if path is None:
        return
    document = {
        "command": " ".join(sys.orig_argv),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": {"python": platform.python_version()} | _versions(packages),
        "figures": figures,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def machine() -> dict[str, Any]:
    """Return the processor, its vector instructions and the cores that this process may use."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8") if cpuinfo.exists() else ""
    model = re.search(r"^model name\s*:\s*(.+)$", lines, re.MULTILINE)
    flags = set(
        re.findall(r"\w+", line[0]) if (line := re.findall(r"^flags.*$", lines, re.M)) else ()
    )
    return {
        "processor": model[1] if model else platform.processor() or platform.machine(),
        "flags": [flag for flag in VECTOR_FLAGS if flag in flags],
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
    }


def machine_line() -> str:
    """Describe the machine in one line, for the title of a table."""
    measured = machine()
    flags = ", ".join(measured["flags"]) or "no vector instructions"
    return f"{measured['cores']} cores of {measured['processor']} ({flags})"


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    versions = {}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
