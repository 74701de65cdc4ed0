"""How much memory a child may take: one text must not take the machine's."""

from __future__ import annotations

import resource

MIB = 1024 * 1024
KIB_PER_MIB = 1024
# A child that grew over this share of its limit is replaced after its message: a slow leak then
# never gets as far as failing a text.
RECYCLE_SHARE = 0.75


def limit_memory(mb: int) -> None:
    """Let allocations fail beyond `mb` MiB of this process's own memory; 0 sets no limit.

    RLIMIT_DATA counts what is private and can be written (Linux 4.7 and later), so neither mapped
    files nor reserved address space count, as they would for RLIMIT_AS.
    """
    if mb == 0:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = mb * MIB
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def recycle_kib(mb: int) -> int | None:
    """Resident KiB above which Celery replaces a child after its task; None where there is no
    limit.
    """
    return int(mb * RECYCLE_SHARE) * KIB_PER_MIB or None
