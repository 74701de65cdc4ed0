"""The `plumbline` command.

Typer takes longer to import than a probe to run, so the version and `health` do without it.
"""

from __future__ import annotations

import gc
import os
import re
import sys

from plumbline.program import run_program
from plumbline.version import __version__

# How Python keeps a byte that it cannot decode.
SURROGATE = re.compile("[\udc80-\udcff]")


def main() -> None:
    """Run a command; see `plumbline.program`."""
    # Imports make more than a hundred thousand objects and no garbage, but Python would search for
    # it every few hundred objects. `LazyCommand.load` enables the search before a command works.
    gc.disable()
    # No command uses plugins of pydantic, for which it would read the metadata of every package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    if any(not argument.isascii() and SURROGATE.search(argument) for argument in sys.argv):
        restart_in_utf_8()
    run_program(run)


def run() -> None:
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        sys.stdout.write(f"{__version__}\n")
        return
    if arguments[:1] == ["health"]:
        from plumbline.cli import probe

        if options := probe.parse(arguments[1:]):
            raise SystemExit(probe.report_health(options))
    from plumbline.cli.command_group import app

    app()


def restart_in_utf_8() -> None:
    """Start this command again if the locale is to blame for undecodable arguments.

    Without UTF-8, as in the POSIX locale, Python keeps the bytes of a text as surrogates.
    """
    # With `python -E` the variable has no effect, and a second restart would not help.
    tried = os.environ.get("PYTHONUTF8") == "1"
    if not tried and sys.getfilesystemencoding() != "utf-8":
        os.execve(sys.executable, sys.orig_argv, os.environ | {"PYTHONUTF8": "1"})
