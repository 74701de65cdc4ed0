"""Who sits at the command line, as the database names them."""

from __future__ import annotations

import getpass
import os


def user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user need not have a name.
        return f"user {os.getuid()}"
