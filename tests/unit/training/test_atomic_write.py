from pathlib import Path

import pytest

from training.atomic_write import atomic_file, atomic_folder


def test_file_replaces_the_old_one_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "state"
    for content in (b"first", b"second"):
        with atomic_file(path) as file:
            file.write(content)
    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]


def test_error_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), atomic_file(path) as file:
        file.write(b"new")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_leftover_folder_of_a_killed_process_is_replaced(tmp_path: Path) -> None:
    (tmp_path / ".version.partial").mkdir()
    (tmp_path / ".version.partial" / "leftover").touch()
    with atomic_folder(tmp_path / "version") as folder:
        assert not (tmp_path / "version").exists()
        (folder / "file").touch()
    assert [path.name for path in (tmp_path / "version").iterdir()] == ["file"]
    assert [path.name for path in tmp_path.iterdir()] == ["version"]
