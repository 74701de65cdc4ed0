"""Model quality on one data set: the same run with several seeds, int8, on the test split.

    .venv/bin/python benchmarks/quality.py --seeds 5 -- --data labelled.csv --preset small

The options after `--` are passed to `python -m training`, which carries out each run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from training.evaluation.metric_intervals import Spread
from training.evaluation.metrics import MEASURES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="number of runs")
    parser.add_argument("rest", nargs="+", help="options of `python -m training`")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = [run(seed, folder, options.rest) for seed in range(1, options.seeds + 1)]
    table = Table("", "mean", "sd", "lowest", "highest", title=f"{len(runs)} seeds, int8")
    for measure in MEASURES:
        add_row(table, measure, [measured["int8"][measure] for measured in runs])
    changed = [measured["parity"]["changed_decisions"] for measured in runs]
    add_row(table, "changed decisions", changed)
    add_row(table, "ECE", [measured["calibration"]["test_after"]["ece"] for measured in runs])
    Console().print(table)


def run(seed: int, folder: str, rest: Sequence[str]) -> dict[str, Any]:
    process = subprocess.run(
        [
            *(sys.executable, "-m", "training", *rest, "--seed", str(seed), "--json"),
            *("--name", f"seed-{seed}", "--models-dir", folder, "--no-saved-model"),
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    # 3: the version is saved and failed a gate.
    if process.returncode not in (0, 3):
        raise SystemExit(process.returncode)
    measured: dict[str, Any] = json.loads(process.stdout)["measured"]
    sys.stderr.write(f"seed {seed}: {json.dumps(measured['int8'])}\n")
    return measured


def add_row(table: Table, name: str, values: Sequence[float]) -> None:
    spread = Spread.of(values)
    numbers = (spread.mean, spread.sd, spread.low, spread.high)
    table.add_row(name, *(f"{number:.4f}" for number in numbers))


if __name__ == "__main__":
    main()
