"""The named steps of a run after the training loop, shown on standard error while they run."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

T = TypeVar("T")


class CutColumn(ProgressColumn):
    """The description, which is cut where the terminal is too narrow for all columns."""

    def __init__(self) -> None:
        # Rich shortens only columns that may wrap, and the text itself does not.
        super().__init__(Column(no_wrap=False))

    def render(self, task: Task) -> Text:
        return Text(task.description, no_wrap=True, overflow="ellipsis")


class TimeLeftColumn(TimeRemainingColumn):
    """The time left, or nothing for a step of unknown length."""

    def render(self, task: Task) -> Text:
        return Text() if task.total is None else Text("left ") + super().render(task)


class Steps:
    """A spinner or a bar per step on a terminal; elsewhere one line when a step begins."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._bar: Progress | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show the step until the block ends, and then, on a terminal, how long it took.

        `name` says what happens, as in "convert to int8".
        """
        started = perf_counter()
        if not self._console.is_terminal:
            self._console.print(name, markup=False, soft_wrap=True)
            yield
            return
        with self._progress() as self._bar:
            self._bar.add_task(name, total=None)
            try:
                yield
            finally:
                self._bar = None
        took = f"{perf_counter() - started:.1f} s"
        self._console.print(f"✓ {name}  {took}", markup=False, soft_wrap=True)

    def track(self, items: Collection[T]) -> Iterator[T]:
        """Yield the items; in a step on a terminal they move its bar."""
        bar = self._bar
        if bar is None:
            yield from items
            return
        task = bar.task_ids[0]
        bar.reset(task, total=len(items))
        for item in items:
            yield item
            bar.advance(task)

    def _progress(self) -> Progress:
        return Progress(
            SpinnerColumn(),
            BarColumn(bar_width=12),
            TimeElapsedColumn(),
            TimeLeftColumn(),
            CutColumn(),
            console=self._console,
            transient=True,
        )


STEPS = Steps()
step, track = STEPS.step, STEPS.track
