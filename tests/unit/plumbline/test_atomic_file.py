import errno
import stat
from pathlib import Path

import pytest

from plumbline.atomic_file import replacing, translate_write_errors
from plumbline.errors import FileUnwritable


def test_file_appears_only_after_the_block(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    with replacing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_failed_block_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(KeyError), replacing(path) as partial:
        partial.write_text("half")
        raise KeyError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_mode_applies_even_if_a_killed_process_left_its_file(tmp_path: Path) -> None:
    path = tmp_path / "password"
    (tmp_path / "password.part").write_text("left over")
    (tmp_path / "password.part").chmod(0o644)
    with replacing(path, 0o600) as partial:
        assert partial.read_text() == ""
        partial.write_text("secret")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_unwritable_path_is_reported_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "absent" / "a.json"
    with (
        pytest.raises(FileUnwritable, match=r"absent/a\.json cannot be written: .*[^.]\.$"),
        translate_write_errors(path),
        replacing(path),
    ):
        pass


def test_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with (
        pytest.raises(FileUnwritable, match="cannot be written: No space left"),
        translate_write_errors(path),
        replacing(path),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []
