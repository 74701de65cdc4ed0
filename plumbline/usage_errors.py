"""What typer prints about wrong arguments, which it quotes as they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from typer.core import TyperCommand

from plumbline_client.visible import visible_lines


@contextmanager
def visible_usage_errors() -> Iterator[None]:
    """Filter the sentence of an error that typer is about to print."""
    try:
        yield
    except Exception as error:
        # The classes of these errors are private to typer.
        if hasattr(error, "format_message"):
            sentence = visible_lines(error.format_message())
            error.format_message = lambda: sentence
        raise


class VisibleCommand(TyperCommand):
    """A command that runs by itself, outside of the groups of `plumbline.cli.command_group`."""

    def make_context(self, *args: Any, **extra: Any) -> Any:
        with visible_usage_errors():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        with visible_usage_errors():
            return super().invoke(ctx)
