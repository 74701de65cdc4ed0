"""A full file system under the temporary folder: metrics end, texts are scored."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from plumbline.embedded.child_process import LOCALHOST, free_port
from plumbline_client import Client
from tests.workers import start_worker

SPACE = "512k"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with little space."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SPACE}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system needs root and CAP_SYS_ADMIN")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> None:
    with (folder / "rest").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC


@pytest.mark.parametrize("full_before_start", [True, False], ids=["at-start", "while-running"])
def test_texts_are_scored_while_the_temporary_folder_is_full(
    small: Path,
    full_before_start: bool,
    database_url: str,
    broker_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TMPDIR", str(small))
    port = free_port(None)
    if full_before_start:
        fill(small)
    with (
        Client(database_url, broker_url) as client,
        start_worker(
            database_url, broker_url, tmp_path, concurrency=1, settings={"metrics_port": port}
        ) as worker,
    ):
        if not full_before_start:
            fill(small)
        receipts = list(client.submit_many([f"Text {number}" for number in range(20)]))
        results = client.wait([receipt.job_id for receipt in receipts], timeout_s=60)
        (child,) = worker.children()
        assert {(result.state, result.attempts) for result in results} == {("scored", 1)}
        os.kill(child, 0)
        with urlopen(f"http://{LOCALHOST}:{port}/metrics", timeout=30) as page:
            assert b"plumbline_database_up 1.0" in page.read()
    assert "exited with" not in worker.log()
    assert "SIGBUS" not in worker.log()
