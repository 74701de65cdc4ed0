"""Files of packed weights, with a builder that writes a few bytes."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scoring.errors import WeightsUnavailable
from scoring.runtime import shared_weights
from scoring.runtime.build_weights import BUILD, VERIFY
from scoring.runtime.shared_weights import KEPT, LOCK, SharedWeights, weights_key

MODEL, SHA256 = Path("model.int8.tflite"), "ab" * 32


class Builder:
    """Writes what LiteRT would, or fails at one of its two commands."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.fails_at = ""

    def __call__(self, command: str, model: str, part: str, *_: str) -> None:
        self.commands.append(command)
        if command == BUILD:
            Path(part).write_bytes(f"weights of {model}".encode())
        if command == self.fails_at:
            raise WeightsUnavailable("the process that builds them failed: no space left.")


@pytest.fixture
def builder(monkeypatch: pytest.MonkeyPatch) -> Builder:
    builder = Builder()
    monkeypatch.setattr(shared_weights, "_run", builder)
    return builder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "weights"
    folder.mkdir(mode=0o700)
    return folder


def build(folder: Path, sha256: str = SHA256) -> Path:
    return SharedWeights(folder).find_or_build(MODEL, sha256, 512)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != LOCK)


def test_a_file_is_built_and_verified_once_and_read_only(folder: Path, builder: Builder) -> None:
    path = build(folder)
    assert build(folder) == SharedWeights(folder).find(SHA256) == path
    assert builder.commands == [BUILD, VERIFY]
    assert path.read_bytes() == b"weights of model.int8.tflite"
    assert path.stat().st_mode & 0o777 == 0o400
    assert names(folder) == [path.name]


@pytest.mark.parametrize("command", [BUILD, VERIFY])
def test_a_file_that_was_not_verified_does_not_stay(
    folder: Path, builder: Builder, command: str
) -> None:
    builder.fails_at = command
    with pytest.raises(WeightsUnavailable, match="no space left"):
        build(folder)
    assert names(folder) == []
    assert SharedWeights(folder).find(SHA256) is None


def corrupt(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(b"w" * len(path.read_bytes()))


def let_others_write(path: Path) -> None:
    path.chmod(0o660)


def truncate(path: Path) -> None:
    path.chmod(0o600)
    os.truncate(path, 3)


@pytest.mark.parametrize("damage", [corrupt, truncate, let_others_write])
def test_a_file_that_is_not_what_was_verified_is_built_again(
    folder: Path, builder: Builder, damage: Callable[[Path], None]
) -> None:
    path = build(folder)
    damage(path)
    assert SharedWeights(folder).find(SHA256) is None
    assert build(folder) == path
    assert builder.commands == [BUILD, VERIFY] * 2


def test_a_partial_file_of_a_killed_process_is_replaced(folder: Path, builder: Builder) -> None:
    (folder / "part").write_bytes(b"half of them")
    assert build(folder).read_bytes() == b"weights of model.int8.tflite"


def test_one_of_several_processes_builds(folder: Path, builder: Builder) -> None:
    with ThreadPoolExecutor(4) as pool:
        paths = set(pool.map(lambda _: build(folder), range(4)))
    assert len(paths) == 1
    assert builder.commands == [BUILD, VERIFY]


def test_a_process_does_not_wait_for_a_builder_without_end(
    folder: Path, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_weights, "BUILD_LIMIT_S", 0.0)
    with (
        shared_weights._locked(folder / LOCK),
        pytest.raises(WeightsUnavailable, match="another process is building them"),
    ):
        build(folder)
    assert build(folder).exists()


def test_what_others_can_write_to_is_not_used(folder: Path, builder: Builder) -> None:
    folder.chmod(0o770)
    with pytest.raises(WeightsUnavailable, match="nobody else may write to"):
        build(folder)
    assert builder.commands == []


def test_a_folder_of_another_user_is_not_used(
    folder: Path, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(WeightsUnavailable, match="not a folder of this user"):
        build(folder)


def test_a_link_is_not_a_folder(folder: Path, builder: Builder) -> None:
    link = folder.parent / "link"
    link.symlink_to(folder)
    with pytest.raises(WeightsUnavailable, match="not a folder of this user"):
        build(link)


def test_a_missing_folder_is_named(tmp_path: Path, builder: Builder) -> None:
    with pytest.raises(WeightsUnavailable, match=r"missing/lock cannot be used: No such file"):
        build(tmp_path / "missing")


def test_the_files_that_were_used_last_are_kept(folder: Path, builder: Builder) -> None:
    paths = [build(folder, f"{number:064}") for number in range(KEPT)]
    for age, path in enumerate(paths):
        os.utime(path, (1000 - age, 1000 - age))
    newest = build(folder)
    assert sorted([*(path.name for path in paths[:-1]), newest.name]) == names(folder)


def test_the_key_is_of_the_model_the_library_and_the_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    monkeypatch.setattr(shared_weights, "CPUINFO", cpuinfo)
    cpuinfo.write_text(2 * "processor\t: 0\nflags\t\t: avx2\ncpu MHz\t: 1\n")

    key = weights_key(SHA256)
    cpuinfo.write_text("processor\t: 0\nflags\t\t: avx2\ncpu MHz\t: 2\n")
    assert weights_key(SHA256) == key, "neither its speed nor the number of cores"
    assert weights_key("cd" * 32) != key
    cpuinfo.write_text("flags\t\t: avx2 avx512f\n")
    assert weights_key(SHA256) != key
    cpuinfo.write_text("flags\t\t: avx2\n")
    monkeypatch.setattr(shared_weights, "version", lambda _: "9.9.9")
    assert weights_key(SHA256) != key
