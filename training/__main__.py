"""`python -m training`: from labelled texts to the next model version."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from scoring.errors import ScoringError
from training.data import Splits, read, split
from training.errors import TrainingError
from training.presets import PRESETS
from training.publish import check_free, next_ref
from training.quiet import quiet_import
from training.sms_archive import is_archive, read_sms

if TYPE_CHECKING:
    from training.run import Made

MEASURES = ("accuracy", "precision", "recall", "f1", "auc")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def retrain(
    data: Annotated[Path, typer.Option(help="CSV, JSONL, Parquet, or the UCI SMS archive.")],
    preset: Annotated[str, typer.Option(help=f"One of {', '.join(PRESETS)}.")] = "small",
    name: Annotated[str, typer.Option(help="The model's name.")] = "sms-spam",
    version: Annotated[str | None, typer.Option(help="Default: the next patch.")] = None,
    models_dir: Annotated[Path, typer.Option(help="Where versions live.")] = Path("models"),
    labels: Annotated[str, typer.Option(help="NEGATIVE,POSITIVE.")] = "ham,spam",
    text_column: Annotated[str, typer.Option(help="Column of the text.")] = "text",
    label_column: Annotated[str, typer.Option(help="Column of the label, 0 or 1.")] = "label",
    epochs: Annotated[int | None, typer.Option(min=1, help="Default: the preset's.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Default: the preset's.")] = None,
    saved_model: Annotated[bool, typer.Option(help="Keep the float32 SavedModel.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """Train a version, convert it to int8, measure it on the test split, and save it whole."""
    if preset not in PRESETS:
        raise TrainingError(f"There is no preset {preset!r}; there is: {', '.join(PRESETS)}.")
    config = PRESETS[preset]
    config = replace(
        config,
        epochs=epochs or config.epochs,
        seed=config.seed if seed is None else seed,
    )
    both = _labels(labels)
    ref = next_ref(models_dir, name, version)
    check_free(models_dir, ref)
    parts = _splits(data, text_column, label_column, config.validation_share)
    # Eight seconds of import, so only once the data is known to be good.
    try:
        with quiet_import():
            from training.run import Target, run
    except ImportError as error:
        raise TrainingError(f"Training needs plumbline[train] installed: {error}.") from error
    made = run(parts, config, Target(models_dir, ref, both, data.name, saved_model))
    if as_json:
        sys.stdout.write(json.dumps(asdict(made), default=str) + "\n")
    else:
        _show(made)


def _labels(given: str) -> tuple[str, str]:
    names = [name.strip() for name in given.split(",")]
    if len(names) != 2 or not all(names) or names[0] == names[1]:
        raise TrainingError(f"--labels wants two names, as in ham,spam, and was given {given!r}.")
    return names[0], names[1]


def _splits(data: Path, text_column: str, label_column: str, validation_share: float) -> Splits:
    examples = read_sms(data) if is_archive(data) else read(data, text_column, label_column)
    return split(examples, validation_share)


def _show(made: Made) -> None:
    table = Table("", "int8, as served", "float32", title=made.model)
    for measure in MEASURES:
        served, exact = getattr(made.int8, measure), getattr(made.float32, measure)
        table.add_row(measure, f"{served:.4f}", f"{exact:.4f}")
    table.add_row(
        "megabytes", *(f"{made.sizes[kind] / 1e6:.1f}" for kind in ("int8", "saved_model"))
    )
    console = Console()
    console.print(table)
    console.print(
        f"{made.int8.rows} test texts, largest difference {made.parity.largest_difference:.4f}, "
        f"{made.parity.changed_decisions:.2%} of decisions changed, {made.seconds:.0f} s; "
        f"saved in {made.folder}",
        soft_wrap=True,
    )


def main() -> None:
    """Run, with one sentence instead of a traceback for whatever a person can put right."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        app()
    except (TrainingError, ScoringError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
