"""The list of commands, and the one place where an error becomes a sentence and an exit code."""

from __future__ import annotations

import sys

import typer

from plumbline.errors import PlumblineError
from scoring.errors import ScoringError
from storage.errors import StorageError

app = typer.Typer(
    name="plumbline",
    help="Hand over texts, and each is scored exactly once or ends in a row that says why not.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run a command. Exit 1 with one sentence for what a person can put right, 130 on Ctrl-C."""
    try:
        app()
    except (PlumblineError, StorageError, ScoringError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        # Whoever read us, `head` for one, has read enough.
        sys.stderr.close()
        raise SystemExit(0) from None
