"""`python -m training`, killed with SIGKILL right after its run's state was saved N times.

    python tests/integration/killed_at.py N [training's arguments]

The process ends itself, so that the kill comes at that very step, however fast the machine is.
"""

import os
import signal
import sys
from typing import Any

from training.__main__ import main
from training.loop import checkpoint


def kill_at(saves: int) -> None:
    save, left = checkpoint.Checkpoint.save, saves

    def save_and_die(self: checkpoint.Checkpoint, *args: Any) -> None:
        nonlocal left
        save(self, *args)
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    checkpoint.Checkpoint.save = save_and_die  # type: ignore[method-assign]


if __name__ == "__main__":
    kill_at(int(sys.argv.pop(1)))
    main()
