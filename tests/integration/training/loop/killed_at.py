"""Runs `python -m training` and kills it with SIGKILL right after it has saved its state N times.

    python -m tests.integration.training.loop.killed_at N [options of python -m training]

The process kills itself, so the kill always comes at the same step, however fast the machine is.
"""

import os
import signal
import sys
from typing import Any

from training.__main__ import main
from training.loop import checkpoint


def kill_at(saves: int) -> None:
    save, left = checkpoint.Checkpoint.save, saves

    def save_and_kill(self: checkpoint.Checkpoint, *args: Any) -> None:
        nonlocal left
        save(self, *args)
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    checkpoint.Checkpoint.save = save_and_kill  # type: ignore[method-assign]


if __name__ == "__main__":
    kill_at(int(sys.argv.pop(1)))
    main()
