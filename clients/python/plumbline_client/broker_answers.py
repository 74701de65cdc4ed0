"""Answers of Redis that do not pass by themselves, and what to do about each."""

from __future__ import annotations

LOGIN = "correct the user and the password in the broker URL"
# By a part of the answer's words.
CURES = {
    "NOAUTH": LOGIN,
    "WRONGPASS": LOGIN,
    "invalid password": LOGIN,
    "without any password": "remove the password from the broker URL",
    "no password is set": "remove the password from the broker URL",
    "NOPERM": "give the user the rights that `plumbline redis acl` prints for it, or use another "
    "user in the broker URL",
    "unknown command": "use Redis 6.2 or later",
    "DB index": "use one of its database numbers in the broker URL",
    "DENIED": "let it accept connections from this machine",
    "NOPROTO": "use Redis 6.2 or later",
}


def cure(answer: str) -> str | None:
    """Return what to do about an answer that does not pass by itself, otherwise None."""
    return next((what for words, what in CURES.items() if words in answer), None)
