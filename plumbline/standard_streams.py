"""Standard input, output and error of a command, which a shell may close or point anywhere.

An error of standard output becomes OutputUnwritable, one of standard error is ignored: what goes
there only accompanies the work.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import Any, TextIO

from plumbline.errors import OutputUnwritable
from plumbline.system_errors import cause_and_cure

STDIN, STDOUT, STDERR = 0, 1, 2
UTF_8 = "utf-8"
# A character that the encoding lacks is written as its escape sequence.
ESCAPE = "backslashreplace"


class OutputFile(io.FileIO):
    """Standard output. Raises OutputUnwritable for every error except a closed pipe."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputUnwritable(
                f"Standard output cannot be written: {_cause(error)}. What the command accepted or "
                "changed before remains."
            ) from error


class NoticeFile(io.FileIO):
    """Standard error. What cannot be written is dropped."""

    def write(self, data: Any) -> int:
        with suppress(OSError):
            return super().write(data)
        return len(memoryview(data))


def prepare() -> None:
    """Make the three streams usable, whatever the shell did to them."""
    _fill_closed_descriptors()
    if sys.stdin is None:
        sys.stdin = open(STDIN, encoding=UTF_8, closefd=False)  # noqa: SIM115
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text_stream(sys.stdout, OutputFile(STDOUT, "w", closefd=False))
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text_stream(sys.stderr, NoticeFile(STDERR, "w", closefd=False))


def data_stream() -> TextIO:
    """Return standard output for JSON and CSV, which are UTF-8 in every locale."""
    stream = sys.stdout
    if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() != UTF_8:
        stream.reconfigure(encoding=UTF_8, errors=ESCAPE)
    return stream


def discard_output() -> None:
    """Send the output that is still buffered, and all that follows, to nowhere."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, sys.stdout.fileno())
    os.close(descriptor)


def _fill_closed_descriptors() -> None:
    """Occupy 0, 1 and 2 if they are closed: otherwise a socket or a file would take the number.

    Reading standard input and writing standard output then fail as on a closed descriptor.
    """
    for descriptor, flags in ((STDIN, os.O_WRONLY), (STDOUT, os.O_RDONLY), (STDERR, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number, which is this one.
            os.open(os.devnull, flags)
            os.set_inheritable(descriptor, True)


def _text_stream(old: TextIO | None, file: io.FileIO) -> io.TextIOWrapper:
    """Return a stream like `old`, which is None if it was closed at the start."""
    known = old if isinstance(old, io.TextIOWrapper) else None
    if known is not None:
        known.flush()
    unbuffered = known is not None and known.write_through
    return io.TextIOWrapper(
        # As Python itself does it, for `python -u` and otherwise.
        file if unbuffered else io.BufferedWriter(file),
        encoding=known.encoding if known is not None else UTF_8,
        errors=ESCAPE,
        line_buffering=file.isatty() or file.fileno() == STDERR,
        write_through=unbuffered,
    )


def _cause(error: OSError) -> str:
    return "it is closed" if error.errno == errno.EBADF else cause_and_cure(error)
