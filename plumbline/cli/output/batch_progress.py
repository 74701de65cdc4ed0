"""A bar for changes in committed batches, which an interruption does not undo."""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic

from plumbline.cli.output.console import err
from plumbline.cli.output.progress import progress_bar
from plumbline_client.errors import StorageError


def counted(batches: Iterable[int], total: int | None, done: str) -> int:
    """Show a bar while batches are committed; return the sum of their counts.

    `done` is what happened to the texts. If it stops early, what was committed is printed, and the
    error raised again.
    """
    count, started = 0, monotonic()
    try:
        with progress_bar() as bar:
            task = bar.add_task(f"texts {done}", total=total, rate="")
            for batch in batches:
                count += batch
                rate = count / max(monotonic() - started, 1e-9)
                bar.update(task, completed=count, rate=f"{count:,} texts, {rate:,.0f}/s")
    except (StorageError, KeyboardInterrupt):
        err.print(f"Until then {count:,} texts were {done}; run the command again for the rest.")
        raise
    return count
