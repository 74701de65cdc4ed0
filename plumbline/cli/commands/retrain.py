"""`plumbline retrain`: run `python -m training`, optionally on labelled texts from the database."""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from plumbline.atomic_file import replacing, translate_write_errors
from plumbline.cli.database import database
from plumbline.cli.output.console import err
from plumbline.cli.times import parse_time
from plumbline.errors import ExtraMissing, OptionInvalid
from plumbline.private_files import create_folder
from plumbline.services import connected
from plumbline.settings import Settings
from storage.database import absolute_time, now
from storage.jobs.labelled_texts import LabelledText, LabelSelection, labelled_texts

REQUIRED_PACKAGES = ("training", "tensorflow", "keras")
EXPORT_LIFETIME = timedelta(days=7)
EXPORT_TIME = "%Y%m%dT%H%M%S.%fZ"
# Also matches the partial file of an export that was killed.
EXPORT_NAME = re.compile(r"labels-(\d{8}T\d{6}\.\d{6}Z)\.jsonl.*")
HELP = """\
plumbline retrain adds three options to those of training, which follow:

  --from-labels      Learn from texts that were labelled with `plumbline label`. If --data is
                     given too, both are combined.
  --since 30d        Only labels given since then: 12h, 30d, or a date.
  --job-source NAME  Only texts that this source submitted.

"""


@dataclass(frozen=True, slots=True)
class LabelExport:
    """A file of labelled texts, and its number of texts per class."""

    path: Path
    negative: int
    positive: int

    def sentence(self) -> str:
        texts = self.negative + self.positive
        return (
            f"{texts:,} labelled texts, {self.negative:,} of class 0 and {self.positive:,} of "
            f"class 1, are in {self.path}"
        )


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
        arguments += data_arguments(settings, since, job_source, arguments)
    elif since is not None or job_source is not None:
        raise OptionInvalid("--since and --job-source select labels: add --from-labels.")
    command = training_command(arguments, settings)
    sys.stdout.flush()
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


def data_arguments(
    settings: Settings, since: str | None, job_source: str | None, arguments: list[str]
) -> list[str]:
    """Export the labelled texts, print their number, and return the options that name the file."""
    start = None if since is None else parse_time(since, "--since")
    folder = settings.state_dir / "retrain"
    # All files of a run have the same columns.
    columns = (
        option_value(arguments, "--text-column") or "text",
        option_value(arguments, "--label-column") or "label",
    )
    with database(connected(settings)) as engine, engine.connect() as connection:
        current = now(connection)
        remove_old_exports(folder, current)
        selection = LabelSelection(
            None if start is None else absolute_time(connection, start), job_source
        )
        labelled = labelled_texts(connection, selection)
        export = export_labels(labelled, folder, columns, current)
    err.print(f"{export.sentence()}.", markup=False, soft_wrap=True)
    return ["--data", str(export.path)]


def export_labels(
    labelled: Iterable[LabelledText],
    folder: Path,
    columns: tuple[str, str],
    time: datetime,
) -> LabelExport:
    """Write JSON lines that only this user can read, whole or not at all.

    `columns` are the names of (text, label). The file is named after `time`. Raises FileUnwritable.
    """
    path = folder / f"labels-{time.astimezone(UTC):{EXPORT_TIME}}.jsonl"
    with translate_write_errors(path):
        create_folder(folder)
        with replacing(path, mode=0o600) as partial:
            counts = _write(labelled, partial, columns)
    return LabelExport(path, counts[0], counts[1])


def remove_old_exports(folder: Path, time: datetime) -> None:
    """Remove exports that are old at `time`, since nothing else does; they contain texts.

    The age follows from the name, which has a time of PostgreSQL's clock. An export from far in the
    future was named by a clock that was wrong.
    """
    for path in folder.glob("labels-*"):
        if (name := EXPORT_NAME.fullmatch(path.name)) is None:
            continue
        with suppress(OSError, ValueError):
            written_at = datetime.strptime(name[1], EXPORT_TIME).replace(tzinfo=UTC)
            if abs(time - written_at) > EXPORT_LIFETIME:
                path.unlink()


def _write(labelled: Iterable[LabelledText], path: Path, columns: tuple[str, str]) -> Counter[int]:
    counts: Counter[int] = Counter()
    with path.open("w", encoding="utf-8") as file:
        for row in labelled:
            values = (row.text, row.label)
            # In ASCII, so that an --encoding for the files of --data does not change the texts.
            file.write(json.dumps(dict(zip(columns, values, strict=True))))
            file.write("\n")
            counts[row.label] += 1
    return counts
