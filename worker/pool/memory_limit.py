"""Memory limits of a child: one text must not exhaust the memory of the machine."""

from __future__ import annotations

import os
import resource
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.errors import SettingsInvalid
from plumbline_client.errors import PlumblineError

# The app imports this module, and must not depend on the packages of an extra.
if TYPE_CHECKING:
    from scoring.artifact.artifact import Artifact
    from scoring.scorer import Scorer

MIB = 1024 * 1024
KIB_PER_MIB = 1024
# A child that uses more than this share of its limit is replaced after its message, so that a slow
# leak never makes a text fail.
RECYCLE_SHARE = 0.75
# What a process that scores takes beyond its model: threads, connections, long texts.
RESERVE_MB = 64
# A limit of this much and this many times the size of the model is enough for any model, so a start
# need not measure it. The shipped model takes 200 MiB, a tenth of the default limit.
AMPLE_MB = 512
AMPLE_FACTOR = 8
# A message takes up to so many times its size in a process that receives and decodes it, beside
# what the process takes with its model.
MESSAGE_COPIES = 8
BEFORE_MESSAGE_MB = 256
STATUS = Path("/proc/self/status")
PRIVATE_MEMORY = "VmData:"
# Fills a window of the model.
LONG_TEXT = "word " * 600


class MemoryLimited(PlumblineError):
    """The process may not use as much memory as the model takes."""


def limit_memory(mb: int) -> None:
    """Make allocations fail beyond `mb` MiB of private memory of this process; 0 sets no limit.

    RLIMIT_DATA counts private writable memory (Linux 4.7 and later). Mapped files and reserved
    address space do not count, unlike with RLIMIT_AS.
    """
    if mb == 0:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = mb * MIB
    soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def recycle_kib(mb: int) -> int | None:
    """Return the resident KiB above which Celery replaces a child; None if there is no limit."""
    return int(mb * RECYCLE_SHARE) * KIB_PER_MIB or None


def largest_message_mb(limit_mb: int, child_mb: int) -> int:
    """Return the size in MiB up to which a process of `child_mb` MiB can receive a message.

    `limit_mb` is the limit of the settings. Celery hands a message whose process died while it
    received it to the next process, without end, and nothing counts these deaths.
    """
    if child_mb == 0:
        return limit_mb
    return min(limit_mb, max(1, (child_mb - BEFORE_MESSAGE_MB) // MESSAGE_COPIES))


def check_limit(mb: int, artifact: Artifact, load: Callable[[Path], Scorer]) -> None:
    """Raise an error if a process of `mb` MiB cannot hold the model and score a text.

    It is SettingsInvalid, or MemoryLimited if the limits of this process (`ulimit`) are too low.
    Every process would end while it starts, and be replaced by the next one, without an end.
    """
    model_mb = artifact.model_path.stat().st_size // MIB
    limited = is_limited()
    if not limited and (mb == 0 or mb >= AMPLE_MB + AMPLE_FACTOR * model_mb):
        return
    needed = measure_mb(lambda: load(artifact.folder).window_logits(LONG_TEXT))
    if needed is None and limited:
        raise MemoryLimited(
            f"{artifact.name} cannot be loaded within the limit of memory of this process; raise "
            "the limit (`ulimit -v` and `ulimit -d`)."
        )
    if needed is not None and 0 < mb < needed + RESERVE_MB:
        raise SettingsInvalid(
            f"PLUMBLINE_CHILD_MEMORY_MB={mb} is too little for {artifact.name}: a scoring process "
            f"takes {needed} MiB before its first text; set it to {round_up(needed)} or more, or "
            "to 0 for no limit."
        )


def is_limited() -> bool:
    """Return whether this process may not use all the memory of the machine."""
    kinds = (resource.RLIMIT_AS, resource.RLIMIT_DATA)
    return any(resource.getrlimit(kind)[0] != resource.RLIM_INFINITY for kind in kinds)


def round_up(needed_mb: int) -> int:
    """Return a limit at which a process is not replaced after each message either."""
    return 64 * (int((needed_mb + RESERVE_MB) / RECYCLE_SHARE) // 64 + 1)


def measure_mb(load: Callable[[], object]) -> int | None:
    """Return the private memory of a copy of this process after `load`; None if it did not survive.

    This process must not keep the libraries that `load` starts: their threads do not survive the
    fork of its children.
    """
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns if the process has threads. Those of numerical libraries do not matter:
        # the copy loads its own.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        with suppress(BaseException):
            load()
            os.write(writer, str(private_mb()).encode("ascii"))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        measured = answer.read()
    os.waitpid(child, 0)
    return int(measured) if measured else None


def private_mb() -> int:
    """Return what RLIMIT_DATA counts, as the kernel reports it."""
    for line in STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(PRIVATE_MEMORY):
            return int(line.split()[1]) // KIB_PER_MIB
    return 0
