"""`plumbline retrain`: the same as `python -m training`, which alone knows TensorFlow.

What it adds are texts out of the database, whose labels came later.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plumbline.cli.database import database
from plumbline.cli.output.console import err
from plumbline.cli.times import moment
from plumbline.errors import ExtraMissing, FileUnwritable, OptionInvalid
from plumbline.settings import Settings

if TYPE_CHECKING:
    from storage.jobs.labels import LabelledText

# Options, --help among them, are training's to read.
PASS_EVERYTHING_ON = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}
NEEDED = ("training", "tensorflow", "keras")
KEPT_S = 7 * 86_400.0
# Half-written ones too, which a kill may leave.
EXPORTS = "labels-*"
HELP = """\
plumbline retrain adds three options to those of training, which follow:

  --from-labels      Learn from texts whose labels `plumbline label` told. A --data may be given
                     too: all of them are put together.
  --since 30d        Only labels told since then: 12h, 30d, or a date.
  --job-source NAME  Only texts that this source submitted.

"""


@dataclass(frozen=True, slots=True)
class Export:
    """A file of labelled texts, and how many it holds of each class."""

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
    """Train the next model version. `plumbline retrain --help` tells its options."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ExtraMissing(f"Training needs plumbline[train] installed: no {missing[0]} is there.")
    settings, arguments = Settings.read(), list(ctx.args)
    if "--help" in arguments:
        sys.stdout.write(HELP)
    elif from_labels:
        arguments += data_arguments(settings, since, job_source, arguments)
    elif since is not None or job_source is not None:
        raise OptionInvalid("--since and --job-source say which labels: add --from-labels.")
    command = training_command(arguments, settings)
    sys.stdout.flush()
    os.execv(command[0], command)


def training_command(arguments: list[str], settings: Settings) -> list[str]:
    """The command, with the setting's folder of models unless the arguments name one."""
    named = given(arguments, "--models-dir") is not None
    folder = [] if named or "--help" in arguments else ["--models-dir", str(settings.models_dir)]
    # -P: a `training.py` in the folder one works in is not ours.
    return [sys.executable, "-P", "-m", "training", *arguments, *folder]


def given(arguments: list[str], option: str) -> str | None:
    """The value of an option of training's among the arguments; the last one counts."""
    found = None
    for position, word in enumerate(arguments):
        name, equals, value = word.partition("=")
        if name == option:
            found = value if equals else "".join(arguments[position + 1 : position + 2])
    return found


def data_arguments(
    settings: Settings, since: str | None, job_source: str | None, arguments: list[str]
) -> list[str]:
    """Export the labelled texts, say how many, and return what names the file to training."""
    start = None if since is None else moment(since, "--since")
    folder = settings.state_dir / "retrain"
    # All files of a run have the same columns.
    columns = (
        given(arguments, "--text-column") or "text",
        given(arguments, "--label-column") or "label",
    )
    forget_old(folder, time.time() - KEPT_S)
    with database(settings) as engine, engine.connect() as connection:
        from storage.jobs.labels import labelled_texts

        found = export(labelled_texts(connection, start, job_source), folder, columns)
    err.print(f"{found.sentence()}.", markup=False, soft_wrap=True)
    return ["--data", str(found.path)]


def export(
    labelled: Iterable[LabelledText],
    folder: Path,
    columns: tuple[str, str] = ("text", "label"),
    now: datetime | None = None,
) -> Export:
    """Write JSON lines only this user can read, whole or not at all; raises FileUnwritable.

    `columns` are the names of (text, label).
    """
    path = folder / f"labels-{now or datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.jsonl"
    part = path.with_suffix(".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.touch(mode=0o600, exist_ok=False)
        counts = _write(labelled, part, columns)
        part.replace(path)
    except OSError as error:
        raise FileUnwritable(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            part.unlink()
    return Export(path, counts[0], counts[1])


def forget_old(folder: Path, before: float) -> None:
    """Remove exports last written before this time, since nothing else does: they hold texts."""
    for path in folder.glob(EXPORTS):
        with suppress(OSError):
            if path.stat().st_mtime < before:
                path.unlink()


def _write(labelled: Iterable[LabelledText], path: Path, columns: tuple[str, str]) -> Counter[int]:
    counts: Counter[int] = Counter()
    with path.open("w", encoding="utf-8") as file:
        for row in labelled:
            values = (row.text, row.label)
            file.write(json.dumps(dict(zip(columns, values, strict=True)), ensure_ascii=False))
            file.write("\n")
            counts[row.label] += 1
    return counts
