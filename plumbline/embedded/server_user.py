"""The unprivileged user that runs an embedded server when `plumbline up` runs as root."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Sequence
from typing import NamedTuple

from plumbline.embedded.errors import EmbeddedFailed

# Runs the server if its own user cannot be created.
FALLBACK_USER = "nobody"


class ServerUser(NamedTuple):
    uid: int
    gid: int


def server_user(name: str, server: str, set_up_without: str) -> ServerUser | None:
    """Return the user that runs `server`; None for this process's own user unless it is root.

    The user `name` is created if it is missing and can be. Raises EmbeddedFailed if the system has
    no user that may run it; `set_up_without` is the other way out, as in "or set URL".
    """
    if os.geteuid() != 0:
        return None
    create = ["useradd", "--system", "--no-create-home", "--user-group", name]
    for candidate, command in ((name, create), (FALLBACK_USER, None)):
        account = _account(candidate, command)
        if account is not None:
            return ServerUser(account.pw_uid, account.pw_gid)
    raise EmbeddedFailed(
        f"{server} does not run as root, and the system has no unprivileged user: create one with "
        f"`useradd --system {name}`, run as another user, {set_up_without}."
    )


def succeeds(command: Sequence[str], user: ServerUser, cwd: str = "/") -> bool:
    """Return whether the user can run the command. Modes, access lists and mount options decide."""
    try:
        done = subprocess.run(
            command,
            user=user.uid,
            group=user.gid,
            extra_groups=[],
            cwd=cwd,
            capture_output=True,
            check=False,
        )
    except OSError:
        return False
    return done.returncode == 0


def _account(name: str, create: Sequence[str] | None) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        pass
    try:
        if create is not None:
            subprocess.run(create, check=True, capture_output=True)
            return pwd.getpwnam(name)
    except (OSError, subprocess.CalledProcessError, KeyError):
        pass
    return None
