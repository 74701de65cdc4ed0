"""How a command ends if the reader of its output, for example `head`, has closed the pipe."""

from __future__ import annotations

from typing import NoReturn

from plumbline.standard_streams import discard_output


def exit_after_broken_pipe() -> NoReturn:
    """Exit 0, and discard the output that is still buffered: flushing it would fail again."""
    discard_output()
    raise SystemExit(0)
