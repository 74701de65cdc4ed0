"""`plumbline retrain`: run `python -m training`, optionally on labelled texts from the database."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection

from plumbline.cli.database import database
from plumbline.cli.label_export import (
    ExportColumns,
    LabelTask,
    export_labels,
    left_out_sentence,
    remove_old_exports,
)
from plumbline.cli.output.console import err
from plumbline.cli.times import parse_time
from plumbline.errors import ExtraMissing, OptionInvalid
from plumbline.labels import LabelValues
from plumbline.services import connected
from plumbline.settings import Settings
from plumbline.shipped import resolve_model
from scoring.artifact.registry import resolve
from scoring.errors import ArtifactMissing
from storage.database import absolute_time, now
from storage.jobs.labelled_texts import LabelledTexts, LabelSelection
from storage.serving import deployments

REQUIRED_PACKAGES = ("training", "tensorflow", "keras")
HELP = """\
plumbline retrain adds three options to those of training, which follow:

  --from-labels      Learn from texts that were labelled with `plumbline label` and scored by a
                     version of the same model with the same two classes (--name and --labels,
                     those of --from, or those of the live version). If --data is given too, both
                     are combined.
  --since 30d        Only labels given since then: 12h, 30d, or a date.
  --job-source NAME  Only texts that this source submitted.

The exit code is 3 if the new version is saved but failed a gate.

"""


def retrain(
    ctx: typer.Context,
    from_labels: Annotated[bool, typer.Option("--from-labels")] = False,
    since: Annotated[str | None, typer.Option()] = None,
    job_source: Annotated[str | None, typer.Option()] = None,
) -> None:
    """Train the next model version. `plumbline retrain --help` lists the options."""
    missing = [name for name in REQUIRED_PACKAGES if find_spec(name) is None]
    if missing:
        raise ExtraMissing(
            "Training needs plumbline-scoring[train], which is not installed: there is no module "
            f"named {missing[0]}."
        )
    settings, arguments = Settings.read(), list(ctx.args)
    if "--help" in arguments:
        sys.stdout.write(HELP)
    elif from_labels:
        arguments += label_arguments(settings, since, job_source, arguments)
    elif since is not None or job_source is not None:
        raise OptionInvalid("--since and --job-source select labels: add --from-labels.")
    command = training_command(arguments, settings)
    sys.stdout.flush()
    # The exit code of training is that of this command.
    os.execv(command[0], command)


def training_command(arguments: list[str], settings: Settings) -> list[str]:
    """Return the command, with the configured models folder unless the arguments name one."""
    has_folder = option_value(arguments, "--models-dir") is not None
    if not has_folder and "--help" not in arguments:
        arguments = [*arguments, "--models-dir", str(settings.models_dir)]
    # -P: do not import a user's `training.py` from the working directory.
    return [sys.executable, "-P", "-m", "training", *arguments]


def option_value(arguments: list[str], option: str) -> str | None:
    """Return the value of one of training's options; the last occurrence wins."""
    value = None
    for position, argument in enumerate(arguments):
        name, equals, inline = argument.partition("=")
        if name == option:
            value = inline if equals else "".join(arguments[position + 1 : position + 2])
    return value


def label_arguments(
    settings: Settings, since: str | None, job_source: str | None, arguments: list[str]
) -> list[str]:
    """Export the labelled texts of one task and print their number and what was left out.

    Returns the options that name the file and the task.
    """
    start = None if since is None else parse_time(since, "--since")
    folder = settings.state_dir / "retrain"
    with database(connected(settings)) as engine, engine.connect() as connection:
        task = label_task(connection, settings, arguments)
        current = now(connection)
        remove_old_exports(folder, current)
        selection = LabelSelection(
            None if start is None else absolute_time(connection, start),
            job_source,
            task.name,
            task.labels,
        )
        labelled = LabelledTexts(connection, selection)
        export = export_labels(labelled, folder, export_columns(arguments), current)
    for sentence in (
        export.sentence(task),
        *(left_out_sentence(labels, task) for labels in labelled.left_out()),
    ):
        err.print(sentence, markup=False, soft_wrap=True)
    # Training would take these options from the data or the start, which may be others.
    return [
        *("--data", str(export.path), "--name", task.name),
        *("--labels", ",".join(task.labels)),
    ]


def export_columns(arguments: list[str]) -> ExportColumns:
    """All files of a run have the same columns and the same values of labels."""
    default = ExportColumns()
    source = option_value(arguments, "--source-column")
    positive, negative = (
        option_value(arguments, "--positive"),
        option_value(arguments, "--negative"),
    )
    values = LabelValues.parse([positive] if positive else [], [negative] if negative else [])
    return ExportColumns(
        option_value(arguments, "--text-column") or default.text,
        option_value(arguments, "--label-column") or default.label,
        default.source if source is None else source,
        default.values if values is None else values.written(),
    )


def label_task(connection: Connection, settings: Settings, arguments: list[str]) -> LabelTask:
    """Return the task whose labels are wanted: that of the options, of --from, or the live one."""
    name, labels = option_value(arguments, "--name"), option_value(arguments, "--labels")
    models_dir = Path(option_value(arguments, "--models-dir") or settings.models_dir)
    start = option_value(arguments, "--from")
    # A folder of training.pretrain has no task.
    if start is not None and not (Path(start) / "config.json").is_file():
        folder = resolve_model(models_dir, start)
        known: LabelTask | None = LabelTask(folder.parent.name, class_names(folder))
    else:
        known = live_task(connection)
    if name is not None and (known is None or known.name != name):
        known = newest_task(models_dir, name)
    return choose_task(name, None if labels is None else parse_labels(labels), known)


def choose_task(
    name: str | None, labels: tuple[str, str] | None, known: LabelTask | None
) -> LabelTask:
    """Complete the options with what is `known`, which has the same name if one is given.

    Raises OptionInvalid if the task is not clear.
    """
    if name is not None and labels is not None:
        return LabelTask(name, labels)
    if known is not None and labels in (None, known.labels):
        return known
    missing = [
        option for option, value in (("--name", name), ("--labels", labels)) if value is None
    ]
    raise OptionInvalid(
        f"{' and '.join(missing)} must be given, as in --name tweets --labels calm,angry: "
        "--from-labels takes the labels of one model and its two classes."
    )


def live_task(connection: Connection) -> LabelTask | None:
    """Return the task of the live version; None if none is live or its classes are unknown."""
    live = deployments.live_model(connection)
    labels = None if live is None else deployments.registered_labels(connection, live)
    if live is None or labels is None:
        return None
    return LabelTask(live.partition("/")[0], labels)


def newest_task(models_dir: Path, name: str) -> LabelTask | None:
    try:
        return LabelTask(name, class_names(resolve(models_dir, name)))
    except ArtifactMissing:
        return None


def class_names(folder: Path) -> tuple[str, str]:
    from scoring.artifact import artifact as files
    from scoring.artifact.config import ScoringConfig

    return ScoringConfig.read(folder / files.CONFIG).labels


def parse_labels(labels: str) -> tuple[str, str]:
    names = [name.strip() for name in labels.split(",")]
    if len(names) != 2 or not all(names) or names[0] == names[1]:
        raise OptionInvalid(f"--labels needs two names, as in ham,spam; got {labels!r}.")
    return names[0], names[1]
