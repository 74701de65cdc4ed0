"""What every command prints with: one console for answers, one for what happens meanwhile."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer
from rich.console import Console

out = Console(highlight=False)
# Progress and notices go to standard error, so that an answer can be piped.
err = Console(stderr=True, highlight=False)

Json = Annotated[bool, typer.Option("--json", help="JSON for programs instead of a table.")]


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object; what JSON does not know is written as its string."""
    sys.stdout.write(json.dumps(value, default=str, ensure_ascii=False) + "\n")


def print_jsonl(values: Iterable[Mapping[str, Any]]) -> None:
    """One JSON object a line."""
    for value in values:
        print_json(value)
