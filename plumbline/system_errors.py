"""Errors of the operating system and of Python as one sentence that names the cause and the cure.

The only place that words them: the command line, the start of workers and training use it. It
imports no other distribution, so that it can report any missing package.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from plumbline.extras import DISTRIBUTION, extra_of
from plumbline_client.errors import PlumblineError
from plumbline_client.visible import one_line

# Errors whose words in a message of a library leave no doubt about the cause.
QUOTED = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EACCES,
    errno.EROFS,
    errno.ENAMETOOLONG,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.EIO,
)
# The message of the RuntimeError of `threading.Thread.start`.
NO_THREAD = "can't start new thread"
# Named, since only training may import TensorFlow.
TENSORFLOW_OUT_OF_MEMORY = "ResourceExhaustedError"
FREE_SPACE = "free space there, or name another place"
CHECK_RIGHTS = "change the mode or the owner, or run as a user that has the right"
FEWER_FILES = "raise the limit with `ulimit -n`"
FEWER_PROCESSES = (
    "raise the limit of processes (`ulimit -u`, or the pids limit of the container), or lower "
    "PLUMBLINE_CONCURRENCY"
)
MORE_MEMORY = "free memory, raise the limit, or process less at once"
# The words of the dynamic linker, which has no error numbers.
IMPORT_CURES = {
    "Error 24": FEWER_FILES,
    "open files": FEWER_FILES,
    "failed to map": MORE_MEMORY,
    "annot allocate memory": MORE_MEMORY,
}
CURES = {
    errno.ENOSPC: FREE_SPACE,
    errno.EDQUOT: "free space within the quota, or name another place",
    errno.EFBIG: "raise the limit of the size of a file (`ulimit -f`), or name another place",
    errno.EACCES: CHECK_RIGHTS,
    errno.EPERM: CHECK_RIGHTS,
    errno.EROFS: "name a place on a file system that can be written",
    errno.ENOENT: "check the path, or create what is missing",
    errno.ENOTDIR: "check the path, of which a part is a file",
    errno.EISDIR: "name a file",
    errno.EEXIST: "remove it, or name another place",
    errno.ENAMETOOLONG: "use a shorter path",
    errno.ELOOP: "remove the symbolic link that leads back to itself",
    errno.EMFILE: FEWER_FILES,
    errno.ENFILE: "close other programs: the machine has no more file handles",
    errno.EAGAIN: FEWER_PROCESSES,
    errno.ENOMEM: MORE_MEMORY,
    errno.ENOLCK: "name a place on a file system that supports locks",
    errno.EOPNOTSUPP: "name a place on a local file system",
    errno.EINVAL: "name a place on a local file system",
    errno.EADDRINUSE: "stop the program that uses the port, or choose another one",
    errno.EADDRNOTAVAIL: "choose an address of this machine",
    errno.EBADF: "open it: it is closed, or open in the wrong direction",
    errno.EIO: "check the disk and the kernel's log",
    errno.ESTALE: "mount the network folder again",
    errno.ENOEXEC: "install the program for this machine's architecture",
    errno.ETXTBSY: "wait until the program that writes it has ended",
    errno.EBUSY: "wait until the program that uses it has ended",
}


def describe(error: BaseException) -> str:
    """Return the cause and the cure as one sentence, whatever the exception.

    The message of an exception that is not known here is left out: it may contain a password or a
    text.
    """
    for kind, describe_kind in DESCRIPTIONS:
        if isinstance(error, kind):
            return describe_kind(error)
    if str(error).startswith(NO_THREAD):
        return f"A thread cannot be started; {FEWER_PROCESSES}."
    if number := _quoted_number(error):
        return _describe_os_error(OSError(number, os.strerror(number)))
    if type(error).__name__ == TENSORFLOW_OUT_OF_MEMORY:
        return _describe_memory_error(error)
    trace = _innermost(error)
    place = f" in {_file_and_line(trace)}," if trace is not None else ""
    return f"An unexpected {type(error).__name__}{place} is a defect of Plumbline."


def class_and_place(error: BaseException) -> str:
    """Return the class of an error and where it was raised, without its message.

    The message may quote a text or a password.
    """
    name, trace = one_line(type(error).__name__), _innermost(error)
    return name if trace is None else f"{name} in {_file_and_line(trace)}"


def reason_without_quotes(error: BaseException) -> str:
    """Return the sentence of an error of our own, and of any other its class and place."""
    return str(error) if isinstance(error, PlumblineError) else class_and_place(error)


def is_known(error: BaseException) -> bool:
    """Return whether the error has a cause outside of Plumbline that `describe` names."""
    return (
        any(isinstance(error, kind) for kind, _ in DESCRIPTIONS)
        or str(error).startswith(NO_THREAD)
        or _quoted_number(error) is not None
        or type(error).__name__ == TENSORFLOW_OUT_OF_MEMORY
    )


def cause_and_cure(error: BaseException) -> str:
    """Return the end of a sentence that names the subject itself: cause; cure."""
    if not isinstance(error, OSError):
        return describe(error).rstrip(".")
    cause = one_line(error.strerror or str(error) or type(error).__name__)
    cure = CURES.get(error.errno or 0)
    return f"{cause}; {cure}" if cure else cause


def _quoted_number(error: BaseException) -> int | None:
    """Return the number of the system's error that a library quotes in an exception of its own.

    Libraries in Rust, such as tokenizers, do so, and TensorFlow, which writes SavedModels.
    """
    message = str(error)
    return next((n for n in QUOTED if os.strerror(n) in message), None)


def _describe_os_error(error: BaseException) -> str:
    assert isinstance(error, OSError)
    if error.filename is None and isinstance(error, FileNotFoundError) and not _has_folder():
        return "The current folder no longer exists; change to a folder that does."
    # A failed fork has no file name.
    if error.filename is None and isinstance(error, BlockingIOError):
        return f"A process cannot be started: {cause_and_cure(error)}."
    names = [_name(name) for name in (error.filename, error.filename2) if name is not None]
    subject = " and ".join(names) or "An operation of the system"
    verb = "cannot be used" if names else "failed"
    return f"{subject} {verb}: {cause_and_cure(error)}."


def _describe_unicode_error(error: BaseException) -> str:
    if isinstance(error, UnicodeEncodeError):
        return (
            f"A character cannot be written in the encoding {error.encoding}; set "
            "PYTHONUTF8=1, or a locale such as LC_ALL=C.UTF-8."
        )
    if isinstance(error, UnicodeDecodeError):
        return (
            f"Bytes are not valid in the encoding {error.encoding} ({error.reason} at position "
            f"{error.start}); save the input as UTF-8."
        )
    return "A text has an encoding that cannot be used; save the input as UTF-8."


def _describe_memory_error(error: BaseException) -> str:
    return f"The memory is exhausted; {MORE_MEMORY}."


def _describe_recursion_error(error: BaseException) -> str:
    return "The input is nested too deeply; split or flatten it."


def _describe_import_error(error: BaseException) -> str:
    assert isinstance(error, ImportError)
    name = one_line(error.name or _raising_module(error))
    if isinstance(error, ModuleNotFoundError):
        extra = extra_of(error.name or "")
        package = f"the extra {DISTRIBUTION}[{extra}]" if extra else f"{DISTRIBUTION} again"
        return f"The module {name} is not installed; install {package}."
    # NumPy explains at length; the cause is in the last line.
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = one_line((lines or ["no reason is given"])[-1]).rstrip(".")
    cure = next((c for words, c in IMPORT_CURES.items() if words in reason), "install it again")
    return f"{name} cannot be imported ({reason}); {cure}."


# The first that fits describes the error.
DESCRIPTIONS: tuple[tuple[type[BaseException], Callable[[BaseException], str]], ...] = (
    (OSError, _describe_os_error),
    (UnicodeError, _describe_unicode_error),
    (MemoryError, _describe_memory_error),
    (RecursionError, _describe_recursion_error),
    (ImportError, _describe_import_error),
)


def _name(name: object) -> str:
    return one_line(os.fsdecode(name) if isinstance(name, bytes) else str(name))


def _has_folder() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return False
    return True


def _raising_module(error: BaseException) -> str:
    """Return the package that raised the exception; psycopg names none if libpq is missing."""
    trace = _innermost(error)
    name = str(trace.tb_frame.f_globals.get("__name__", "")) if trace is not None else ""
    return name.partition(".")[0] or "A module"


def _innermost(error: BaseException) -> TracebackType | None:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace


def _file_and_line(trace: TracebackType) -> str:
    return f"{Path(trace.tb_frame.f_code.co_filename).name}, line {trace.tb_lineno}"
