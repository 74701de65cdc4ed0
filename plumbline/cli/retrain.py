"""`plumbline retrain`: the same as `python -m training`, which alone knows TensorFlow."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

import typer

from plumbline.errors import ExtraMissing
from plumbline.settings import Settings

# Options, --help among them, are training's to read.
PASS_EVERYTHING_ON = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}
NEEDED = ("training", "tensorflow", "keras")


def retrain(ctx: typer.Context) -> None:
    """Train the next model version. `plumbline retrain --help` tells its options."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ExtraMissing(f"Training needs plumbline[train] installed: no {missing[0]} is there.")
    command = training_command(ctx.args, Settings.read())
    sys.stdout.flush()
    os.execv(command[0], command)


def training_command(arguments: list[str], settings: Settings) -> list[str]:
    """The command, with the setting's folder of models unless the arguments name one."""
    named = any(word.split("=")[0] == "--models-dir" for word in arguments)
    folder = [] if named or "--help" in arguments else ["--models-dir", str(settings.models_dir)]
    # -P: a `training.py` in the folder one works in is not ours.
    return [sys.executable, "-P", "-m", "training", *arguments, *folder]
