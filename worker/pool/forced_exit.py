"""Ends a worker that was told to stop and cannot, because Celery waits for a Redis that hangs.

Its children have given back by then what they held (`worker.pool.lease_renewal`); a message they had not
acknowledged stays with Redis and comes again.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterable

log = logging.getLogger(__name__)
# After the keeper has let go of the text in hand, and within the 10 s a worker has to be gone.
LEAVE_AFTER_S = 9.0


def exit_after_grace(children: Iterable[int]) -> None:
    """End this process and these `LEAVE_AFTER_S` from now, if it is still there then."""
    timer = threading.Timer(LEAVE_AFTER_S, leave, (children,))
    timer.daemon = True
    timer.start()


def leave(children: Iterable[int]) -> None:
    log.warning("it cannot wait any longer for Redis, and leaves")
    for child in children:
        if _is_child(child):
            os.kill(child, signal.SIGKILL)
    os._exit(1)


def _is_child(pid: int) -> bool:
    """Whether it runs and is ours: the number of a child that ended may be another's by now."""
    try:
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return False
