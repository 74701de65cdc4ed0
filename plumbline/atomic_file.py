"""Write a file whole or not at all. A device, a pipe or a link is never replaced by a file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from plumbline.errors import FileUnwritable
from plumbline.system_errors import cause_and_cure
from plumbline_client.visible import one_line

SUFFIX = ".part"


@contextmanager
def replacing(path: Path, mode: int = 0o600) -> Iterator[Path]:
    """Yield an empty file next to `path`. It takes the place of `path` if the block succeeds.

    It is removed if the block fails. A file left over from a killed process is overwritten, so only
    one process may write `path` at a time. The umask applies to `mode`, and a file that exists does
    not become readable for more users. A link keeps leading to its file, and a device or pipe is
    yielded itself. Raises OSError; for a command, combine it with `translate_write_errors`.
    """
    existing = _mode(path)
    if existing is not None and not stat.S_ISREG(existing) and not stat.S_ISDIR(existing):
        yield path
        return
    target = Path(os.path.realpath(path))
    if existing is not None and stat.S_ISREG(existing):
        mode &= existing
    partial = target.with_name(target.name + SUFFIX)
    try:
        # A new file, since `mode` does not apply to one that exists.
        partial.unlink(missing_ok=True)
        partial.touch(mode, exist_ok=False)
        yield partial
        partial.replace(target)
    except OSError as error:
        # An error of writing, such as a full disk, does not name the file.
        if error.filename is None:
            error.filename = str(path)
        raise
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _mode(path: Path) -> int | None:
    """Return the mode of what is at the path, of which a link may be the last part."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


@contextmanager
def translate_write_errors(path: Path) -> Iterator[None]:
    """Raise FileUnwritable, which names `path`, in place of an OSError."""
    try:
        yield
    except OSError as error:
        raise FileUnwritable(
            f"{one_line(str(path))} cannot be written: {cause_and_cure(error)}."
        ) from error
