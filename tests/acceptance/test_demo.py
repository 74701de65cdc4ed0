"""`plumbline demo` from its first line to its last, and again; nothing of it stays."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests import command
from tests.leftovers import processes_of
from tests.waiting import eventually

pytestmark = pytest.mark.slow


def test_it_shows_the_whole_loop_and_ends_clean(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    with command.running(state_dir, tmp_path, "demo") as running:
        assert running.process.wait(180) == 0
        said = running.said()
    verdicts = re.findall(r"Drift report: (\w+)", said)
    assert verdicts == ["stable", "drift"]
    for shown in ("100 scored", "the text is empty", "are accepted", r"\x00", "positive"):
        assert shown in said
    page = re.search(r"\S+/reports/\S+\.html", said)
    assert page is not None and (tmp_path / page.group()).stat().st_size > 100_000
    assert "Traceback" not in said
    assert processes_of(state_dir) == []
    assert not (state_dir / "demo" / "up.json").exists()


def test_ctrl_c_in_the_middle_ends_it_clean_and_it_runs_again(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    with command.running(state_dir, tmp_path, "demo") as running:
        eventually(lambda: "Everyday texts" in running.said(), 90.0)
        assert running.end(signal.SIGINT, 60.0) == 130
        assert "Interrupted" in running.said()
        assert "Traceback" not in running.said()
    assert processes_of(state_dir) == []
    with command.running(state_dir, tmp_path, "demo") as running:
        eventually(lambda: "Drift report: stable" in running.said(), 120.0)
        assert running.end(signal.SIGTERM, 60.0) == 130
    assert processes_of(state_dir) == []
