"""What the tests of several commands share: the command line, and folders of model versions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import servers
from tests.artifacts import PASSED, write_copy
from tests.command import Cli
from tests.workers import environment


@pytest.fixture
def cli(database_url: str, broker_url: str, tmp_path: Path) -> Cli:
    """`plumbline` in the test's folder, on the test's servers, without a display."""
    inherited = environment(database_url, broker_url, tmp_path)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        inherited.pop(name, None)
    return Cli(tmp_path, inherited | {"COLUMNS": "120"})


@pytest.fixture
def empty_database_url(postgres_server_url: str) -> Iterator[str]:
    """A database without tables."""
    with servers.database(postgres_server_url, "template0") as url:
        yield url


@pytest.fixture
def two_versions(tmp_path: Path) -> Path:
    """A models folder with two versions that passed their gates and differ only in their number."""
    for version in ("1.0.0", "1.0.1"):
        write_copy(tmp_path / "models", version, PASSED)
    return tmp_path / "models"
