"""Write a file whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from plumbline.errors import FileUnwritable
from plumbline.system_errors import cause_and_cure, one_line

SUFFIX = ".part"


@contextmanager
def replacing(path: Path, mode: int = 0o600) -> Iterator[Path]:
    """Yield an empty file next to `path`. It takes the place of `path` if the block succeeds.

    It is removed if the block fails. A file left over from a killed process is overwritten, so only
    one process may write `path` at a time. The umask applies to `mode`. Raises OSError; for a
    command, combine it with `translate_write_errors`.
    """
    partial = path.with_name(path.name + SUFFIX)
    try:
        # A new file, since `mode` does not apply to one that exists.
        partial.unlink(missing_ok=True)
        partial.touch(mode, exist_ok=False)
        yield partial
        partial.replace(path)
    except OSError as error:
        # An error of writing, such as a full disk, does not name the file.
        if error.filename is None:
            error.filename = str(path)
        raise
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


@contextmanager
def translate_write_errors(path: Path) -> Iterator[None]:
    """Raise FileUnwritable, which names `path`, in place of an OSError."""
    try:
        yield
    except OSError as error:
        raise FileUnwritable(
            f"{one_line(str(path))} cannot be written: {cause_and_cure(error)}."
        ) from error
