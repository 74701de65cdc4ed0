"""The traceback of an error without messages that may quote a text or a password."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from types import TracebackType

from plumbline_client.errors import PlumblineError

WITHHELD = "(message withheld: it may quote a text)"


def own_sentence(error: BaseException) -> str:
    """Return the class of the error; of our own errors, which quote no text, also the message."""
    name = type(error).__name__
    return f"{name}: {error}" if isinstance(error, PlumblineError) else f"{name} {WITHHELD}"


def format_traceback(
    error: BaseException, describe: Callable[[BaseException], str] = own_sentence
) -> str:
    """Return the traceback with its causes, each error as `describe` shows it.

    Its lines show the source code of each frame, never the values in it.
    """
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    lines = []
    if earlier is not None and earlier is not error:
        lines += [format_traceback(earlier, describe), "", "which led to:", ""]
    trace = error.__traceback__
    if isinstance(trace, TracebackType):
        lines.append("Traceback (most recent call last):")
        lines.append("".join(traceback.format_tb(trace)).rstrip("\n"))
    lines.append(describe(error))
    return "\n".join(lines)
