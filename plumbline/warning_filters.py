"""Warnings of libraries, which PYTHONWARNINGS=error would turn into errors."""

from __future__ import annotations

import warnings


def disarm_warnings() -> None:
    """Let no warning of a library end this process; other filters stay.

    PYTHONWARNINGS=error is meant for the tests of the program in whose shell it is set.
    """
    warnings.filters[:] = [entry for entry in warnings.filters if entry[0] != "error"]  # type: ignore[index]
