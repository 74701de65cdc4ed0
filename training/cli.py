"""What `python -m training` and `python -m training.pretrain` share."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Annotated, Any

import typer

from plumbline.program import run_program

EncodingOption = Annotated[
    str | None,
    typer.Option(help="Encoding of files without a byte order mark. Default: UTF-8."),
]
DelimiterOption = Annotated[
    str | None, typer.Option(help="Character between CSV values. Default: by the header.")
]
PositiveOption = Annotated[
    list[str] | None,
    typer.Option(
        "--positive",
        help="A value of the label that means the positive class, instead of 1 and the class name; "
        "repeat it for several. Without --negative, every other value is the negative class.",
    ),
]
NegativeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--negative", help="A value of the label that means the negative class, likewise."
    ),
]
SplitOption = Annotated[
    str,
    typer.Option(help='Column with train, validation or test, if a file has it; "" ignores it.'),
]
SourceOption = Annotated[
    str,
    typer.Option(
        help="Column with the source of a text, if a file has it; results are also reported per "
        'source. "" ignores it.'
    ),
]
SkipOption = Annotated[
    bool, typer.Option("--skip-invalid", help="Leave out rows that cannot be used.")
]


def run_app(app: typer.Typer) -> None:
    """Run the command; every error is one sentence and exit code 1, as in `plumbline.program`."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    run_program(app)


def print_json(result: Any, details: Mapping[str, Any] = MappingProxyType({})) -> None:
    """Print a dataclass, with more keys, as one JSON object on standard output."""
    sys.stdout.write(json.dumps({**asdict(result), **details}, default=str) + "\n")
