"""Run a program of Plumbline: here an error becomes one sentence and an exit code."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from contextlib import suppress

from plumbline import last_resort, standard_streams
from plumbline.system_errors import describe, is_known
from plumbline.tracebacks import format_traceback
from plumbline.warning_filters import disarm_warnings
from plumbline_client.errors import PlumblineError
from plumbline_client.visible import one_line

FAILED = 1
INTERRUPTED = 130


def run_program(command: Callable[[], None]) -> None:
    """Run the command and exit.

    Exit 1 with one sentence after an error, 130 on Ctrl-C. A reader that closes the pipe of
    standard output, as `head` does, is not an error.
    """
    standard_streams.prepare()
    disarm_warnings()
    last_resort.install()
    try:
        code = _run(command)
        if not _flush() and not code:
            code = FAILED
    except BrokenPipeError:
        standard_streams.discard_output()
        code = 0
    # Python would search all objects for garbage several times before it exits.
    gc.freeze()
    raise SystemExit(code)


def _run(command: Callable[[], None]) -> int | None:
    """Return the exit code; print the sentence of an error."""
    try:
        command()
    except SystemExit as ended:
        return _fail(ended.code) if isinstance(ended.code, str) else ended.code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except PlumblineError as error:
        return _fail(str(error))
    except Exception as error:
        return _fail(describe(error) if is_known(error) else f"{describe(error)}{_saved(error)}")
    return 0


def _fail(sentence: str) -> int:
    """Print the sentence; the output before it is written if it can be."""
    _print_error(sentence)
    try:
        sys.stdout.flush()
    except (PlumblineError, BrokenPipeError):
        standard_streams.discard_output()
    return FAILED


def _flush() -> bool:
    """Write what is buffered. Return False, after one sentence, if it cannot be written."""
    try:
        sys.stdout.flush()
    except PlumblineError as error:
        _print_error(str(error))
    else:
        return True
    # Python would try once more, and print a traceback.
    standard_streams.discard_output()
    return False


def _saved(error: Exception) -> str:
    """Save the traceback of a defect for a report, and return a sentence with its place.

    Only this user may read the file. It holds no message of an error from outside, which may quote
    a text or a password.
    """
    # Only a defect needs it.
    import tempfile

    try:
        descriptor, path = tempfile.mkstemp(prefix="plumbline-", suffix=".traceback")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(format_traceback(error) + "\n")
    except OSError:
        return ""
    return f" Its traceback is in {path}."


def _print_error(sentence: str) -> None:
    lines = (one_line(line) for line in sentence.split("\n"))
    with suppress(OSError, ValueError):
        sys.stderr.write(" ".join(lines).strip() + "\n")
