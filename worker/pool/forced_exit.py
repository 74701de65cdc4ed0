"""Forced exit: ends a worker that cannot shut down because Celery waits for a Redis that hangs.

By then its children have returned their leases (`worker.pool.lease_renewal`). A message that was
not acknowledged stays in Redis and is delivered again.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterable

log = logging.getLogger(__name__)
# After the lease renewal abandoned a slow text, and within the 10 s that a shutdown may take.
EXIT_AFTER_S = 9.0


def schedule_forced_exit(children: Iterable[int]) -> None:
    """End this process and these children if it still runs after `EXIT_AFTER_S`."""
    timer = threading.Timer(EXIT_AFTER_S, force_exit, (children,))
    timer.daemon = True
    timer.start()


def force_exit(children: Iterable[int]) -> None:
    log.warning("Redis did not respond during shutdown; exiting.")
    for child in children:
        if _is_running_child(child):
            os.kill(child, signal.SIGKILL)
    os._exit(1)


def _is_running_child(pid: int) -> bool:
    """Return whether this is still our child: the pid of an ended child may be in use again."""
    try:
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return False
