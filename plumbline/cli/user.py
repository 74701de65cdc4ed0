"""The name of the person who runs a command, for the rows that record it."""

from __future__ import annotations

import getpass
import os


def current_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # The user of a container may have no name.
        return f"user {os.getuid()}"
