"""How a command shows a warning that some library logs: in lines that no terminal obeys.

A command configures no log; Python then prints warnings and errors to standard error.
"""

from __future__ import annotations

import logging
from typing import Any

from plumbline.tracebacks import format_traceback
from plumbline_client.visible import indented, one_entry


class VisibleFormatter(logging.Formatter):
    """Formats a record as one entry, without the messages of errors that may quote a text."""

    def format(self, record: logging.LogRecord) -> str:
        return one_entry(super().format(record))

    def formatException(self, ei: Any) -> str:
        return indented(format_traceback(ei[1])) if isinstance(ei[1], BaseException) else ""


def install() -> None:
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(VisibleFormatter())
