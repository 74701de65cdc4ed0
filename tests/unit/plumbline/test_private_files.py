import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from plumbline.private_files import create_folder, private_umask, tighten_folder


@pytest.fixture
def no_umask() -> Iterator[None]:
    previous = os.umask(0)
    yield
    os.umask(previous)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.usefixtures("no_umask")
def test_whatever_is_created_in_the_block_is_private(tmp_path: Path) -> None:
    with private_umask():
        (tmp_path / "inside").mkdir()
        (tmp_path / "inside" / "file").touch()
    (tmp_path / "outside").touch()
    assert mode(tmp_path / "inside") == 0o700
    assert mode(tmp_path / "inside" / "file") == 0o600
    assert mode(tmp_path / "outside") == 0o666


@pytest.mark.usefixtures("no_umask")
def test_every_folder_that_is_created_is_private_and_the_others_keep_their_modes(
    tmp_path: Path,
) -> None:
    existing = tmp_path / "existing"
    existing.mkdir(0o755)
    for _ in range(2):
        create_folder(existing / "a" / "b")
    assert mode(existing) == 0o755
    assert mode(existing / "a") == mode(existing / "a" / "b") == 0o700


@pytest.mark.usefixtures("no_umask")
def test_a_file_in_the_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        create_folder(tmp_path / "file" / "a")


@pytest.mark.usefixtures("no_umask")
def test_a_folder_that_an_earlier_release_left_readable_is_tightened(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir(0o755)
    tighten_folder(folder)
    assert mode(folder) == 0o700
