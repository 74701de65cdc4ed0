"""`python -m training`: from labelled texts to the next model version."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scoring.errors import ScoringError
from training.data.examples import Example, Splits, check, read, split
from training.data.sms_archive import is_archive, read_sms
from training.errors import TrainingError
from training.evaluation.gates import Gate, parse
from training.presets import PRESETS, TrainingConfig
from training.quiet_import import quiet_import

if TYPE_CHECKING:
    from training.model.start import Start

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def retrain(
    data: Annotated[
        list[Path],
        typer.Option(help="CSV, JSONL, Parquet, or the UCI SMS archive; several are put together."),
    ],
    preset: Annotated[str, typer.Option(help=f"One of {', '.join(PRESETS)}.")] = "small",
    name: Annotated[str, typer.Option(help="The model's name.")] = "sms-spam",
    version: Annotated[str | None, typer.Option(help="Default: what has changed decides.")] = None,
    from_pretrained: Annotated[
        str | None, typer.Option(help="A Hugging Face BERT or DistilBERT folder, or hf:NAME.")
    ] = None,
    from_version: Annotated[
        str | None,
        typer.Option("--from", help="An earlier version, or a folder `training.pretrain` made."),
    ] = None,
    models_dir: Annotated[Path, typer.Option(help="Where versions live.")] = Path("models"),
    run_dir: Annotated[
        Path, typer.Option(help="Where runs keep what they go on from after a kill.")
    ] = Path("runs"),
    labels: Annotated[str, typer.Option(help="NEGATIVE,POSITIVE.")] = "ham,spam",
    text_column: Annotated[str, typer.Option(help="Column of the text.")] = "text",
    label_column: Annotated[str, typer.Option(help="Column of the label, 0 or 1.")] = "label",
    epochs: Annotated[int | None, typer.Option(min=1, help="Default: the preset's.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Default: the preset's.")] = None,
    train_tokens: Annotated[
        int | None, typer.Option(min=8, max=512, help="Training texts are cut here.")
    ] = None,
    mixed_precision: Annotated[bool | None, typer.Option(help="Default: the preset's.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Default: the preset's.")] = None,
    devices: Annotated[int, typer.Option(min=1, help="GPUs of this machine to train on.")] = 1,
    checkpoint_every: Annotated[
        float, typer.Option(min=0.0, help="Seconds between two saves of the run's state.")
    ] = 300.0,
    compare_with: Annotated[
        str | None, typer.Option(help="Gates compare with it. Default: the newest of that name.")
    ] = None,
    gate: Annotated[
        list[str] | None, typer.Option(help="In place of a default gate, as in f1>=0.97.")
    ] = None,
    saved_model: Annotated[bool, typer.Option(help="Keep the float32 SavedModel.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """Train a version, convert it to int8, calibrate, measure on the test split, hold it to gates.

    A version that fails a gate is saved all the same; `plumbline models promote` refuses it. Killed
    at any moment, the same command goes on where the run stood.
    """
    config = _config(preset, epochs, learning_rate, train_tokens, mixed_precision, seed)
    gates, both = _gates(gate), _labels(labels)
    if from_pretrained and from_version:
        raise TrainingError("Give --from-pretrained or --from, not both.")
    parts = _splits(data, text_column, label_column, config.validation_share)
    # Eight seconds of import, so only once the data is known to be good.
    try:
        with quiet_import():
            from training.loop.learn import RunOptions
            from training.run import Target, run
    except ImportError as error:
        raise TrainingError(f"Training needs plumbline[train] installed: {error}.") from error
    from training.run_summary import show

    start = _start(from_pretrained, from_version, models_dir)
    made = run(
        parts,
        _tuned(config, start, learning_rate, epochs),
        start,
        Target(
            models_dir=models_dir,
            name=name,
            labels=both,
            data_name=", ".join(path.name for path in data),
            version=version,
            compare_with=compare_with,
            gates=gates,
            keep_saved_model=saved_model,
        ),
        RunOptions(run_dir, devices, checkpoint_every),
    )
    if as_json:
        sys.stdout.write(json.dumps(asdict(made), default=str) + "\n")
    else:
        show(made)


def _config(
    preset: str,
    epochs: int | None,
    learning_rate: float | None,
    train_tokens: int | None,
    mixed_precision: bool | None,
    seed: int | None,
) -> TrainingConfig:
    if preset not in PRESETS:
        raise TrainingError(f"There is no preset {preset!r}; there is: {', '.join(PRESETS)}.")
    given = {
        "epochs": epochs,
        "learning_rate": learning_rate,
        "train_tokens": train_tokens,
        "mixed_precision": mixed_precision,
        "seed": seed,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    return replace(PRESETS[preset], **chosen)  # type: ignore[arg-type]


def _tuned(
    config: TrainingConfig, start: Start, learning_rate: float | None, epochs: int | None
) -> TrainingConfig:
    """What fine-tuning changes, but for what was asked for by name."""
    tuned = start.settings(config)
    return replace(
        tuned, learning_rate=learning_rate or tuned.learning_rate, epochs=epochs or tuned.epochs
    )


def _start(from_pretrained: str | None, from_version: str | None, models_dir: Path) -> Start:
    from training.model import start

    source = from_pretrained or from_version
    if source is None:
        return start.fresh()
    if from_pretrained or (Path(source) / "config.json").is_file():
        return start.pretrained(source)
    return start.version(models_dir, source)


def _gates(given: list[str] | None) -> list[Gate]:
    return [parse(text) for text in given or []]


def _labels(given: str) -> tuple[str, str]:
    names = [name.strip() for name in given.split(",")]
    if len(names) != 2 or not all(names) or names[0] == names[1]:
        raise TrainingError(f"--labels wants two names, as in ham,spam, and was given {given!r}.")
    return names[0], names[1]


def _splits(
    data: list[Path], text_column: str, label_column: str, validation_share: float
) -> Splits:
    examples: list[Example] = []
    for path in data:
        examples += read_sms(path) if is_archive(path) else read(path, text_column, label_column)
    # Together: a few labels from production are no data set of their own, and need not be.
    check(examples, ", ".join(map(str, data)))
    return split(examples, validation_share)


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
