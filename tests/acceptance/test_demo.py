"""`plumbline demo` from its first line to its last, and after an interruption."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.command import run_command
from tests.leftovers import processes_of
from tests.waiting import eventually

pytestmark = pytest.mark.slow


def test_demo_shows_both_batches_and_leaves_nothing_running(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    with run_command(state_dir, tmp_path, "demo") as demo:
        assert demo.process.wait(180) == 0
        output = demo.output()
    verdicts = re.findall(r"Drift report: (\w+)", output)
    assert verdicts == ["stable", "drift"]
    for expected in ("100 scored", "the text is empty", "are accepted", r"\x00", "positive"):
        assert expected in output
    assert "Client.from_environment()" in output
    page = re.search(r"\S+/reports/\S+\.html", output)
    assert page is not None and (tmp_path / page.group()).stat().st_size > 100_000
    assert "Traceback" not in output
    assert processes_of(state_dir) == []
    assert not (state_dir / "demo" / "up.json").exists()


def test_interrupted_demo_leaves_nothing_running_and_can_run_again(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    with run_command(state_dir, tmp_path, "demo") as demo:
        eventually(lambda: "Everyday texts" in demo.output(), 90.0)
        assert demo.stop(signal.SIGINT, 60.0) == 130
        assert "Interrupted" in demo.output()
        assert "Traceback" not in demo.output()
    assert processes_of(state_dir) == []
    with run_command(state_dir, tmp_path, "demo") as demo:
        eventually(lambda: "Drift report: stable" in demo.output(), 120.0)
        assert demo.stop(signal.SIGTERM, 60.0) == 130
    assert processes_of(state_dir) == []
