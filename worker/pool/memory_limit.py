"""Memory limits of a child: one text must not exhaust the memory of the machine."""

from __future__ import annotations

import resource

MIB = 1024 * 1024
KIB_PER_MIB = 1024
# A child that uses more than this share of its limit is replaced after its message, so that a slow
# leak never makes a text fail.
RECYCLE_SHARE = 0.75


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
