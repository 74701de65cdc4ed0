"""The user that runs PostgreSQL, which refuses to run as root, and the programs it can reach.

No mode of a folder that exists is changed. The server's data may lie in a folder that this user
cannot search: the server is started in it, before the change of user, and names it by its working
directory. Programs that the user cannot reach are copied.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

from plumbline.embedded.errors import EmbeddedFailed
from plumbline.embedded.server_user import ServerUser, succeeds
from plumbline.embedded.server_user import server_user as server_user_named
from plumbline.system_errors import cause_and_cure

UNPRIVILEGED_USER = "embedded_postgres"
# For copies of the programs, if the state folder cannot be searched either.
SYSTEM_CACHE = Path("/var/cache/plumbline")
SET_UP_WITHOUT = "or set PLUMBLINE_DATABASE_URL"
PROGRAMS = ("initdb", "postgres")
# Everything else of the package is for developers and for other programs.
LEFT_OUT = ("include", "doc", "man", "pgxs", "pkgconfig", "*.a")
# Read by both programs.
CATALOG = Path("share") / "postgres.bki"


def server_user() -> ServerUser | None:
    """Return the user that runs the server; None for this process's own user unless it is root.

    Raises EmbeddedFailed if the system has no user that may run it.
    """
    return server_user_named(UNPRIVILEGED_USER, "PostgreSQL", SET_UP_WITHOUT)


def require_name() -> None:
    """Raise EmbeddedFailed if this user has no name, as in OpenShift; initdb needs one."""
    uid = os.geteuid()
    try:
        pwd.getpwuid(uid)
    except KeyError:
        raise EmbeddedFailed(
            "PostgreSQL cannot be initialized by a user without a name: add a line for the user id "
            f"{uid} to /etc/passwd, such as plumbline:x:{uid}:{os.getegid()}::/:/bin/false, "
            f"{SET_UP_WITHOUT}."
        ) from None


def reachable_programs(programs: Path, folder: Path, user: ServerUser | None) -> Path:
    """Return the folder with initdb and postgres that the user can run: `programs`, or a copy.

    The copy is in `folder` if the user can search it, else in SYSTEM_CACHE. Raises EmbeddedFailed.
    """
    if user is None or _can_run(programs, user):
        return programs
    problem = ""
    for place in (folder, SYSTEM_CACHE):
        try:
            copy = _copy(programs, place)
        except OSError as error:
            problem = f" ({place}: {cause_and_cure(error)})"
            continue
        if _can_run(copy, user):
            return copy
    raise EmbeddedFailed(
        "PostgreSQL does not run as root, and the user "
        f"{pwd.getpwuid(user.uid).pw_name} cannot run its programs in {programs}{problem}: permit "
        f"it with `chmod o+x {' '.join(map(str, _unsearchable(programs)))}`, {SET_UP_WITHOUT}."
    )


def _can_run(programs: Path, user: ServerUser) -> bool:
    readable = ["/bin/sh", "-c", 'test -r "$0"', str(programs.parent / CATALOG)]
    commands: Sequence[Sequence[str]] = [
        *([str(programs / name), "--version"] for name in PROGRAMS),
        readable,
    ]
    return all(succeeds(command, user) for command in commands)


def _copy(programs: Path, place: Path) -> Path:
    """Copy the package's programs into `place` once per version; return the folder of the copy.

    Only root may have written the copy: another user's programs must not run.
    """
    package = programs.parent.parent
    version = (programs / "postgres").stat()
    target = place / f"postgresql-{version.st_size}-{version.st_mtime_ns}"
    inside = programs.relative_to(package.parent)
    if not target.exists():
        if not place.exists():
            place.mkdir(parents=True)
            # Whatever the umask: others must be able to run the copy.
            place.chmod(0o755)
        partial = Path(tempfile.mkdtemp(prefix=".programs-", dir=place))
        try:
            for name in (package.name, f"{package.name}.libs"):
                _copy_tree(package.parent / name, partial / name)
            partial.chmod(0o755)
            partial.rename(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    status = target.stat()
    if status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(1, "its copy of PostgreSQL may belong to another user", str(target))
    return target / inside


def _copy_tree(source: Path, target: Path) -> None:
    """Copy a folder such that every user may read the copy."""
    if not source.is_dir():
        return
    shutil.copytree(source, target, ignore=_left_out)
    for path in (target, *target.rglob("*")):
        is_executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
        path.chmod(0o755 if is_executable else 0o644)


def _left_out(folder: str, names: list[str]) -> set[str]:
    left_out = set(shutil.ignore_patterns(*LEFT_OUT)(folder, names))
    if Path(folder).name == "bin":
        left_out |= set(names) - set(PROGRAMS)
    return left_out


def _unsearchable(path: Path) -> list[Path]:
    """Return the folders on the way that other users cannot search, the outermost first."""
    folders = [path, *path.parents]
    return [f for f in reversed(folders) if not f.stat().st_mode & stat.S_IXOTH] or [path]
