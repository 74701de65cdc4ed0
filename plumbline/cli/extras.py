"""What a command needs beyond the client, and how to install it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from plumbline.errors import ExtraMissing


@contextmanager
def extra_needed(what: str, extra: str) -> Iterator[None]:
    """Name the extra to install where an import of ours or of a library finds nothing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ExtraMissing(f"{what} needs plumbline[{extra}] installed: {error}.") from error
