"""How good a model this data gives: the same run from several seeds, int8, on the test split.

    .venv/bin/python benchmarks/quality.py --seeds 5 -- --data labelled.csv --preset small

What comes after `--` goes to `python -m training`, which does each run.
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

from training.evaluation.intervals import Spread

MEASURES = ("accuracy", "precision", "recall", "f1", "auc")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("rest", nargs="+", help="options of `python -m training`")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = [one(seed, folder, options.rest) for seed in range(1, options.seeds + 1)]
    table = Table("", "mean", "sd", "lowest", "highest", title=f"{len(made)} seeds, int8")
    for measure in MEASURES:
        row(table, measure, [run["int8"][measure] for run in made])
    row(table, "changed decisions", [run["parity"]["changed_decisions"] for run in made])
    row(table, "ECE", [run["calibration"]["test_after"]["ece"] for run in made])
    Console().print(table)


def one(seed: int, folder: str, rest: Sequence[str]) -> dict[str, Any]:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "training", *rest, "--seed", str(seed), "--json"),
            *("--name", f"seed-{seed}", "--models-dir", folder, "--no-saved-model"),
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    measured: dict[str, Any] = json.loads(done.stdout)["measured"]
    sys.stderr.write(f"seed {seed}: {json.dumps(measured['int8'])}\n")
    return measured


def row(table: Table, name: str, values: Sequence[float]) -> None:
    spread = Spread.of(values)
    numbers = (spread.mean, spread.sd, spread.low, spread.high)
    table.add_row(name, *(f"{number:.4f}" for number in numbers))


if __name__ == "__main__":
    main()
