"""`python -m training`: from labelled texts to the next model version."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plumbline.files import ReadOptions
from plumbline.labels import LabelValues
from plumbline.usage_errors import VisibleCommand
from scoring.artifact.model_ref import ModelRef
from training.cli import (
    DelimiterOption,
    EncodingOption,
    NegativeOption,
    PositiveOption,
    SkipOption,
    SourceOption,
    SplitOption,
    print_json,
    run_app,
)
from training.data.data_report import DataReport
from training.data.examples import DataSource
from training.data.labelled_files import read_labelled_files
from training.data.splits import split_examples
from training.errors import TrainingError
from training.evaluation.gates import parse_gate
from training.model.huggingface import HUB, check_checkpoint
from training.presets import PRESETS, RunOptions, TrainingConfig, find_preset
from training.quiet_import import quiet_import
from training.release.publish import check_version_is_free
from training.run_summary import print_summary
from training.task import is_pretrained_folder, resolve_task

if TYPE_CHECKING:
    from training.model.initial_weights import InitialWeights

DEFAULT = "Default: the preset's."
# The version is saved; 1 is an error without a version.
GATES_FAILED = 3
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(cls=VisibleCommand)
def retrain(
    data: Annotated[
        list[Path],
        typer.Option(
            help="Labelled texts: CSV, JSONL, Parquet, or the UCI SMS archive. Repeat to combine "
            "files."
        ),
    ],
    preset: Annotated[str, typer.Option(help=f"One of {', '.join(PRESETS)}.")] = "small",
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of the model. Default: that of --from, or sms-spam for the UCI SMS archive."
        ),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(help="Default: the next number, which depends on what has changed."),
    ] = None,
    from_pretrained: Annotated[
        str | None,
        typer.Option(help="Start from a Hugging Face BERT or DistilBERT folder, or hf:NAME."),
    ] = None,
    from_version: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Start from an earlier version, or a folder written by training.pretrain.",
        ),
    ] = None,
    models_dir: Annotated[Path, typer.Option(help="Folder of the model versions.")] = Path(
        "models"
    ),
    run_dir: Annotated[
        Path, typer.Option(help="Folder for the state that a killed run resumes from.")
    ] = Path("runs"),
    labels: Annotated[
        str | None,
        typer.Option(
            help="Names of the two classes: NEGATIVE,POSITIVE. Default: those of --from, of the "
            "newest version of this name, or of the UCI SMS archive."
        ),
    ] = None,
    text_column: Annotated[str, typer.Option(help="Column with the text.")] = "text",
    label_column: Annotated[
        str, typer.Option(help="Column with the label: 0, 1, false, true, or a class name.")
    ] = "label",
    positive: PositiveOption = None,
    negative: NegativeOption = None,
    split_column: SplitOption = "split",
    source_column: SourceOption = "source",
    encoding: EncodingOption = None,
    delimiter: DelimiterOption = None,
    skip_invalid: SkipOption = False,
    epochs: Annotated[
        int | None, typer.Option(min=1, help=f"Maximum number of epochs. {DEFAULT}")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help=f"Peak learning rate. {DEFAULT}")
    ] = None,
    train_tokens: Annotated[
        int | None,
        typer.Option(min=8, max=512, help=f"Truncate training texts to this length. {DEFAULT}"),
    ] = None,
    mixed_precision: Annotated[
        bool | None, typer.Option(help=f"Compute in 16 bits. {DEFAULT}")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help=f"Random seed. {DEFAULT}")] = None,
    devices: Annotated[
        int, typer.Option(min=1, help="Number of this machine's GPUs to train on.")
    ] = 1,
    checkpoint_every: Annotated[
        float, typer.Option(min=0.0, help="Seconds between two saves of the run's state.")
    ] = 300.0,
    compare_with: Annotated[
        str | None,
        typer.Option(
            help="Version that the gates compare with. Default: the newest version of this name."
        ),
    ] = None,
    gate: Annotated[
        list[str] | None,
        typer.Option(help='Replace the default gate of a measure, as in "f1>=0.97".'),
    ] = None,
    show_texts: Annotated[
        bool,
        typer.Option(
            "--show-texts", help="Print the texts of the worst errors in report and model card."
        ),
    ] = False,
    saved_model: Annotated[bool, typer.Option(help="Keep the float32 SavedModel.")] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for programs.")
    ] = False,
) -> None:
    """Train a version, convert it to int8, calibrate, measure on the test split, evaluate gates.

    A version that fails a gate is saved as well; `plumbline models promote` refuses it, and the
    exit code is 3.

    A killed run resumes when the same command is given again.
    """
    config = _config(preset, epochs, learning_rate, train_tokens, mixed_precision, seed)
    gates = [parse_gate(text) for text in gate or []]
    if from_pretrained and from_version:
        raise TrainingError("Give --from-pretrained or --from, not both.")
    task = resolve_task(name, labels, data=data, models_dir=models_dir, from_version=from_version)
    source = DataSource(
        text_column,
        label_column,
        split_column,
        task.labels,
        ReadOptions.parse(encoding, delimiter),
        skip_invalid,
        source_column,
        LabelValues.parse(positive or [], negative or []),
    )
    report = DataReport()
    splits = split_examples(read_labelled_files(data, source, report), config.validation_share)
    # Importing TensorFlow takes eight seconds, so invalid input is reported first.
    if version is not None:
        check_version_is_free(models_dir, ModelRef.parse(f"{task.name}/{version}"))
    if from_pretrained and not from_pretrained.startswith(HUB):
        check_checkpoint(Path(from_pretrained))
    if from_version and is_pretrained_folder(from_version):
        check_checkpoint(Path(from_version))
    with quiet_import():
        from training.run import ReleaseOptions, train_version

    weights = _initial_weights(from_pretrained, from_version, models_dir)
    result = train_version(
        splits,
        _adapt(config, weights, learning_rate, epochs),
        weights,
        ReleaseOptions(
            models_dir=models_dir,
            name=task.name,
            labels=task.labels,
            data_name=", ".join(path.name for path in data),
            version=version,
            compare_with=compare_with,
            gates=gates,
            keep_saved_model=saved_model,
            show_texts=show_texts,
        ),
        RunOptions(run_dir, devices, checkpoint_every),
    )
    if as_json:
        print_json(result, {"rows": report.document()})
    else:
        print_summary(result)
    if not all(gate_result.passed for gate_result in result.measured.gates):
        raise typer.Exit(GATES_FAILED)


def _config(
    preset: str,
    epochs: int | None,
    learning_rate: float | None,
    train_tokens: int | None,
    mixed_precision: bool | None,
    seed: int | None,
) -> TrainingConfig:
    options = {
        "epochs": epochs,
        "learning_rate": learning_rate,
        "train_tokens": train_tokens,
        "mixed_precision": mixed_precision,
        "seed": seed,
    }
    chosen = {name: value for name, value in options.items() if value is not None}
    return replace(find_preset(preset), **chosen)  # type: ignore[arg-type]


def _adapt(
    config: TrainingConfig,
    weights: InitialWeights,
    learning_rate: float | None,
    epochs: int | None,
) -> TrainingConfig:
    """Apply the fine-tuning settings, except those that the command line sets."""
    adapted = weights.adapt(config)
    return replace(
        adapted,
        learning_rate=learning_rate or adapted.learning_rate,
        epochs=epochs or adapted.epochs,
    )


def _initial_weights(
    from_pretrained: str | None, from_version: str | None, models_dir: Path
) -> InitialWeights:
    from training.model import initial_weights

    source = from_pretrained or from_version
    if source is None:
        return initial_weights.random_weights()
    if from_pretrained or is_pretrained_folder(source):
        return initial_weights.pretrained_weights(source)
    return initial_weights.version_weights(models_dir, source)


def main() -> None:
    run_app(app)


if __name__ == "__main__":
    main()
