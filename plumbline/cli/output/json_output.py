"""The output of `--json`. It imports neither Rich nor typer, because probes print it, too."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from plumbline.standard_streams import data_stream
from plumbline_client.visible import json_line


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object on one line; values of other types are printed as strings."""
    data_stream().write(to_json(value) + "\n")


def print_jsonl(values: Iterable[Mapping[str, Any]]) -> None:
    """Print one JSON object per line."""
    for value in values:
        print_json(value)


def to_json(value: Any) -> str:
    """Return the value as JSON on one line, exact and safe to show in a terminal."""
    return json_line(json.dumps(value, default=as_json_value, ensure_ascii=False))


def as_json_value(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
