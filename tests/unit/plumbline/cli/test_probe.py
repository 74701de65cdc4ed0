from __future__ import annotations

import pytest

from plumbline.cli.probe import ProbeOptions, parse
from plumbline.health import TIMEOUT_S


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("", ProbeOptions(here=False, stalled_after_s=60.0, timeout_s=TIMEOUT_S, as_json=False)),
        ("--here --json", ProbeOptions(here=True, as_json=True)),
        ("--timeout 0.5 --stalled-after 5", ProbeOptions(timeout_s=0.5, stalled_after_s=5.0)),
    ],
)
def test_usual_options_are_read(line: str, options: ProbeOptions) -> None:
    assert parse(line.split()) == options


@pytest.mark.parametrize(
    "line",
    [
        "--help",
        "--hree",
        "here",
        "--timeout",
        "--timeout soon",
        "--timeout 0.4",
        "--timeout nan",
        "--timeout=5",
        "--stalled-after 0.9",
    ],
)
def test_everything_else_is_left_to_typer(line: str) -> None:
    assert parse(line.split()) is None
