"""What the pipeline costs, in parts, on servers and workers that this program starts.

    .venv/bin/python -m benchmarks.pipeline [bulk single small-model ledger growth soak] \\
        [--texts 2000] [--data sms_spam/data.csv.gz] [--graphile FOLDER] [--output FILE]

Each part compares within one run, in turns: bulk with bare scorers, single and small-model with a
plain Celery task, ledger with graphile-worker, growth with one worker, soak with its own beginning.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.pipeline import graphile
from benchmarks.pipeline.parts import PARTS, SHIPPED, Options
from benchmarks.pipeline.servers import CHECKOUT, start_servers
from benchmarks.pipeline.tables import part_table
from benchmarks.result_file import add_output_option, machine_line, write_result
from plumbline import celery_environment

PACKAGES = ("plumbline-scoring", "celery", "redis", "psycopg", "ai-edge-litert")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all")
    parser.add_argument("--texts", type=int, default=2_000, help="each part takes multiples of it")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, help="a .csv.gz file with the column text")
    parser.add_argument("--models-dir", type=Path, default=CHECKOUT / "models")
    parser.add_argument("--model", default=SHIPPED)
    parser.add_argument("--sleep-ms", type=float, default=50, help="per text, in growth")
    parser.add_argument("--graphile", type=Path, help="install graphile-worker here and measure it")
    add_output_option(parser)
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"unknown parts: {', '.join(unknown)}")
    console = Console()
    console.print(machine_line())
    options = Options(
        arguments.texts,
        arguments.rounds,
        arguments.data,
        arguments.models_dir,
        arguments.model,
        usable_graphile(arguments.graphile, console),
        arguments.sleep_ms,
    )
    # Else a variable of the shell would decide where Celery sends.
    celery_environment.clean(os.environ)
    figures: dict[str, Any] = {}
    for name in arguments.parts or PARTS:
        started = time.monotonic()
        with (
            console.status(f"{name} ..."),
            tempfile.TemporaryDirectory() as folder,
            start_servers(Path(folder)) as servers,
        ):
            figures[name] = PARTS[name](servers, options)
        console.print(part_table(name, figures[name], time.monotonic() - started))
        write_result(arguments.output, figures, PACKAGES)


def usable_graphile(folder: Path | None, console: Console) -> Path | None:
    if folder is None:
        console.print("graphile-worker is left out; --graphile FOLDER installs it there.")
        return None
    if reason := graphile.install(folder.resolve()):
        console.print(f"graphile-worker is left out: {reason}.")
        return None
    return folder.resolve()


if __name__ == "__main__":
    main()
