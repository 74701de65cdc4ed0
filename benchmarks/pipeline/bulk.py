"""Bulk: texts from a file through `plumbline submit` to committed rows, beside bare scorers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.pipeline import bare
from benchmarks.pipeline.cpu import cpu_by_name
from benchmarks.pipeline.load import Rates
from benchmarks.pipeline.servers import PLUMBLINE_APP, Servers, celery_worker
from benchmarks.pipeline.texts import write_lines

SUBMIT = [str(Path(sys.executable).with_name("plumbline")), "submit"]


def measure(
    servers: Servers, texts: list[str], models_dir: Path, model: str, rounds: int, processes: int
) -> dict[str, Any]:
    """Return the rates of both, in turn, and the CPU milliseconds of the pipeline per text."""
    file = write_lines(servers.folder / "texts.txt", texts)
    settings = {"MODELS_DIR": models_dir, "MODEL": model}
    scorers, pipeline = Rates(), Rates()
    with celery_worker(servers, PLUMBLINE_APP, processes, settings=settings):
        submit_file(servers, Rates(), file, len(texts), settings)
        for _ in range(rounds):
            scorers.per_s.append(bare.texts_per_s(texts, models_dir, model, processes))
            submit_file(servers, pipeline, file, len(texts), settings)
    return {
        f"{processes} bare scorers": scorers.document(),
        "plumbline submit": pipeline.document(),
    }


def submit_file(
    servers: Servers, rates: Rates, file: Path, count: int, settings: Mapping[str, object]
) -> None:
    """Submit a file, and measure from the start of the command to the last row."""
    before, started = cpu_by_name(servers.roots), time.time()
    client = subprocess.Popen(
        [*SUBMIT, str(file)],
        env=servers.environment(**settings) | {"PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=servers.folder,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(client.pid, 0)
    client.returncode = os.waitstatus_to_exitcode(status)
    if client.returncode:
        raise SystemExit("`plumbline submit` failed.")
    ended = servers.wait_for_rows(count, started)
    after = cpu_by_name(servers.roots)
    spent = {name: after[name] - before.get(name, 0.0) for name in after}
    spent["client"] = usage.ru_utime + usage.ru_stime
    rates.add(count, ended - started, spent)
