"""How a command ends if the reader of its output, for example `head`, has closed the pipe."""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def exit_after_broken_pipe() -> NoReturn:
    """Exit 0, and discard the output that is still buffered: flushing it would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(0)
