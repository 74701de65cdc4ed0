"""How Evidently is imported: nothing leaves the machine, and its own warnings stay its own."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def silence() -> Iterator[None]:
    # Evidently's own switch for its usage statistics.
    os.environ.setdefault("DO_NOT_TRACK", "1")
    with warnings.catch_warnings():
        # It and the web server it brings use what NumPy and that server deprecated.
        warnings.filterwarnings(
            "ignore", category=DeprecationWarning, module=r"evidently\.|litestar\."
        )
        yield
