from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from plumbline.embedded.child_process import describe_exit, quote_log


def test_an_exit_is_described_in_words() -> None:
    assert describe_exit(3) == "exited with status 3"
    assert describe_exit(-15) == "was killed by SIGTERM"
    assert describe_exit(-25).startswith("was killed by SIGXFSZ (raise the limit")


def test_log_is_quoted_and_never_said_to_be_the_cause(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    assert quote_log(log) == f"its log, {log}, cannot be read (No such file or directory)"
    log.write_text("\n")
    assert quote_log(log) == f"its log, {log}, is empty"
    log.write_text("one\n  two\nthree \n")
    assert quote_log(log) == f'its log, {log}, ends with: "three"'
    assert quote_log(log, 2) == f'its log, {log}, ends with: "two three"'


def test_full_disk_is_mentioned_with_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "server.log"
    log.touch()
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=3 * 2**20))
    assert quote_log(log) == f"its log, {log}, is empty; its disk has 3 MiB left"
