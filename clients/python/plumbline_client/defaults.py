"""The defaults that the client and the application's settings share."""

from __future__ import annotations

SOURCE = "default"
MESSAGE_SIZE = 64
MAX_BACKLOG = 1_000_000
MAX_TEXT_CHARS = 200_000
STATE_DIR = ".plumbline"
