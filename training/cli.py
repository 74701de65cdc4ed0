"""What `python -m training` and `python -m training.pretrain` share."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import asdict
from typing import Any

import typer

from plumbline_client.errors import PlumblineError


def run_app(app: typer.Typer) -> None:
    """Run the command; print a known error as one sentence and exit with 1, without a traceback."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        app()
    except PlumblineError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def print_json(result: Any) -> None:
    """Print a dataclass as one JSON object on standard output."""
    sys.stdout.write(json.dumps(asdict(result), default=str) + "\n")
