import errno
import os
import stat
import threading
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


def test_private_file_stays_private(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.touch(0o600)
    with replacing(path, 0o666) as partial:
        partial.write_text("texts")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_link_keeps_leading_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("absent", "present"):
        target, link = tmp_path / "folder" / name, tmp_path / f"link to {name}"
        link.symlink_to(target)
        if name == "present":
            target.write_text("old")
        with replacing(link) as partial:
            partial.write_text("new")
        assert link.is_symlink() and target.read_text() == "new"


def test_pipes_and_devices_are_written_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    with replacing(pipe) as target:
        target.write_text("texts")
    reader.join()
    assert read == ["texts"] and pipe.is_fifo()
    link = tmp_path / "link"
    link.symlink_to(os.devnull)
    with replacing(link) as target:
        target.write_text("texts")
    assert link.is_symlink() and Path(os.devnull).is_char_device()


def test_link_that_leads_back_to_itself_is_one_sentence(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with (
        pytest.raises(FileUnwritable, match="remove the symbolic link"),
        translate_write_errors(loop),
        replacing(loop),
    ):
        pass
    assert loop.is_symlink()


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
