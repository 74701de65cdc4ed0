import errno
import os
from pathlib import Path

import pytest

from worker.telemetry import preallocated
from worker.telemetry.preallocated import PreallocatedDict


def no_space(descriptor: int, offset: int, size: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_the_space_of_every_value_is_reserved(tmp_path: Path) -> None:
    path = tmp_path / "counter_0.db"
    values = PreallocatedDict(str(path))
    for number in range(3_000):
        values.write_value(f"key {number} {'x' * 100}", float(number), 0.0)
    values.write_value("y" * 500_000, 1.0, 0.0)
    assert path.stat().st_blocks * 512 >= path.stat().st_size
    values.close()
    read = {key: value for key, value, _, _ in PreallocatedDict.read_all_values_from_file(path)}
    assert len(read) == 3_001
    assert read["key 2999 " + "x" * 100].real == 2_999.0


def test_without_space_no_file_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preallocated.os, "posix_fallocate", no_space)
    with pytest.raises(OSError, match="No space left"):
        PreallocatedDict(str(tmp_path / "counter_0.db"))
    assert list(tmp_path.iterdir()) == []


def test_without_space_no_value_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = PreallocatedDict(str(tmp_path / "counter_0.db"))
    values.write_value("key", 1.0, 0.0)
    monkeypatch.setattr(preallocated.os, "posix_fallocate", no_space)
    with pytest.raises(OSError, match="No space left"):
        values.write_value("y" * 500_000, 1.0, 0.0)
    values.write_value("key", 2.0, 0.0)
    assert values.read_value("key")[0] == 2.0
    values.close()
