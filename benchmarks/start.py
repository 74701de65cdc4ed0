"""Processor time of every command of `plumbline`: its help, and its start up to its first work.

.venv/bin/python benchmarks/start.py [--runs 10] [--before CHECKOUT] [--output start.json]

The servers of the environment do not exist, so a command ends where it would begin to work: when it
connects. With `--before`, another checkout takes turns with this one, in the same environment.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from result_file import add_output_option, machine_line, write_result
from rich.console import Console
from rich.table import Table

CHECKOUT = Path(__file__).resolve().parent.parent
NOWHERE = {
    "PLUMBLINE_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "PLUMBLINE_BROKER_URL": "redis://127.0.0.1:1/0",
}
JOB = "00000000-0000-0000-0000-000000000000"
START = "import sys; from plumbline.cli.app import main; sys.argv[0] = 'plumbline'; main()"
# The command line of each command's start.
COMMANDS = (
    "--version",
    "--help",
    "health --here",
    "health",
    "status",
    "results",
    f"show {JOB}",
    f"cancel {JOB}",
    "alerts",
    "submit texts.csv",
    "label labels.csv",
    "quality show",
    "drift list",
    "quarantine list",
    "rejected list",
    "sources list",
    "labellers list",
    "models list",
    "models history",
    "db check",
    "redis acl",
    "settings",
    "score hello",
    "up --help",
    "demo --help",
    "retrain --from-labels",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--before", type=Path, help="another checkout to compare with")
    parser.add_argument("--only", action="append", help="measure only this command")
    add_output_option(parser)
    options = parser.parse_args()
    checkouts = {"now": CHECKOUT}
    if options.before:
        checkouts = {"before": options.before.resolve(), **checkouts}
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        bare = median(cpu_s(["-c", "pass"], CHECKOUT, Path(folder)) for _ in range(options.runs))
        for command in options.only or COMMANDS:
            figures[command] = measure(command, checkouts, options.runs, Path(folder))
    Console().print(table(figures, bare))
    write_result(options.output, {"python -c pass": bare, "commands": figures}, ("typer", "rich"))


def prepare(folder: Path) -> None:
    (folder / "texts.csv").write_text("text\nhello\n", encoding="utf-8")
    (folder / "labels.csv").write_text(f"id,label\n{JOB},1\n", encoding="utf-8")


def measure(
    command: str, checkouts: dict[str, Path], runs: int, folder: Path
) -> dict[str, dict[str, float]]:
    """Return the median seconds of the command's start and of its help, per checkout."""
    own = command.split()
    lines = {"start": own}
    if "--help" not in own and own != ["--version"]:
        words = [word for word in own if word.isalpha()]
        lines["help"] = [*words[: 2 if own[0] in GROUPS else 1], "--help"]
    taken: dict[str, dict[str, list[float]]] = {name: {} for name in checkouts}
    for run in range(runs + 1):
        for kind, line in lines.items():
            for name, checkout in checkouts.items():
                seconds = cpu_s(["-c", START, *line], checkout, folder)
                # The first run writes the bytecode.
                if run:
                    taken[name].setdefault(kind, []).append(seconds)
    return {
        name: {kind: median(values) for kind, values in kinds.items()}
        for name, kinds in taken.items()
    }


GROUPS = (
    "quality",
    "drift",
    "quarantine",
    "rejected",
    "sources",
    "labellers",
    "models",
    "db",
    "redis",
)


def cpu_s(arguments: Sequence[str], checkout: Path, folder: Path) -> float:
    """Run Python with the packages of a checkout; return its processor time, user and system."""
    environment = {
        name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
    }
    paths = os.pathsep.join([str(checkout), str(checkout / "clients" / "python")])
    null = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    directory = os.open(".", os.O_RDONLY)
    os.chdir(folder)
    try:
        process = os.posix_spawn(
            sys.executable,
            [sys.executable, *arguments],
            environment | NOWHERE | {"PYTHONPATH": paths},
            file_actions=null,
        )
    finally:
        os.fchdir(directory)
        os.close(directory)
    usage = os.wait4(process, 0)[2]
    return usage.ru_utime + usage.ru_stime


def table(figures: dict[str, dict[str, dict[str, float]]], bare: float) -> Table:
    """Show milliseconds, and how many times those of `python -c pass` they are."""
    result = Table(title=f"Milliseconds of processor time, {machine_line()}")
    compared = any("before" in checkouts for checkouts in figures.values())
    kinds = [(kind, name) for kind in ("start", "help") for name in ("before", "now")]
    columns = [pair for pair in kinds if compared or pair[1] == "now"]
    result.add_column("command")
    for kind, name in columns:
        result.add_column(f"{kind}, {name}", justify="right")
    result.add_column("start / python", justify="right")
    result.add_row("python -c pass", *[""] * len(columns), f"1.0 ({1000 * bare:.0f} ms)")
    for command, checkouts in figures.items():
        cells = [checkouts[name].get(kind) for kind, name in columns]
        ratio = checkouts["now"]["start"] / bare
        result.add_row(
            command,
            *["" if value is None else f"{1000 * value:.0f}" for value in cells],
            f"{ratio:.1f}",
        )
    return result


if __name__ == "__main__":
    main()
