"""The body of a message, read in the child that processes it.

A body can take far more memory than its size. A child has a limit of memory and is replaced if it
dies, whereas all messages of a worker pass through its parent.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from kombu.utils.json import loads

from plumbline.messages import MAX_JOBS, MessageRejected
from worker.broker.json_parts import has_more_parts

# Strings, and bytes outside of strings. A job has at most 40 of them, and more if it is indented.
MOST_PARTS = 400 * MAX_JOBS
EMBEDDED = ("callbacks", "errbacks", "chain", "chord")


@dataclass(frozen=True, slots=True)
class Body:
    """The body as the envelope has it."""

    content: str
    is_base64: bool


def read_arguments(body: Body) -> dict[str, Any]:
    """Return the keyword arguments of the task. Raises MessageRejected."""
    document = decode(body)
    if has_more_parts(document, MOST_PARTS):
        raise MessageRejected(f"body: it has more parts than {MAX_JOBS:,} jobs have")
    try:
        content = loads(document)
    # Celery's JSON has types of its own, whose constructors raise what they like.
    except Exception as error:
        if isinstance(error, MemoryError):
            raise
        raise MessageRejected("body: it is not the JSON of a Celery message") from error
    if not isinstance(content, list) or len(content) != 3:
        raise MessageRejected("body: it is not a list of args, kwargs and embed")
    positional, arguments, embedded = content
    if not isinstance(positional, list):
        raise MessageRejected("args: the positional arguments are not a list")
    if positional:
        raise MessageRejected("args: the task takes keyword arguments only")
    if not isinstance(arguments, dict):
        raise MessageRejected("kwargs: the keyword arguments are not an object")
    check_embedded(embedded)
    return arguments


def check_embedded(embedded: Any) -> None:
    """Refuse what Celery would run besides the task. Raises MessageRejected."""
    if not isinstance(embedded, dict | None):
        raise MessageRejected("embed: the embedded options are not an object")
    for name, value in (embedded or {}).items():
        if value:
            known = name if name in EMBEDDED else "embed"
            raise MessageRejected(f"{known}: a message may not call other tasks")


def decode(body: Body) -> bytes:
    """Return the JSON of the body. Raises MessageRejected."""
    try:
        return base64.b64decode(body.content) if body.is_base64 else body.content.encode()
    except (binascii.Error, ValueError) as error:
        raise MessageRejected("body: it is not encoded as its properties declare") from error
