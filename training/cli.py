"""What `python -m training` and `python -m training.pretrain` share."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import asdict
from typing import Any

import typer

from plumbline.program import run_program


def run_app(app: typer.Typer) -> None:
    """Run the command; every error is one sentence and exit code 1, as in `plumbline.program`."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    run_program(app)


def print_json(result: Any) -> None:
    """Print a dataclass as one JSON object on standard output."""
    sys.stdout.write(json.dumps(asdict(result), default=str) + "\n")
