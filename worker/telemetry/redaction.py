"""No text in a log: what may quote one is left out of each line before it is written.

Texts travel in messages, and errors quote what they fail on. So a line shows the message of an
error only where it is of a class known to quote none, and of Celery's lines that print a whole
message only their beginning.
"""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Mapping
from types import TracebackType

import kombu.exceptions
import psycopg
import redis
from celery.exceptions import Reject, WorkerLostError

from plumbline.messages import MessageRejected
from plumbline_client.errors import PlumblineError, StorageError
from scoring.errors import ScoringError

WITHHELD = "(its message is not shown: it may quote a text)"
# Their messages are our own sentences, or tell of servers and files.
QUOTE_NOTHING = (
    PlumblineError,
    StorageError,
    ScoringError,
    MessageRejected,
    OSError,
    ImportError,
    MemoryError,
    json.JSONDecodeError,
    psycopg.OperationalError,
    redis.ConnectionError,
    redis.TimeoutError,
    kombu.exceptions.OperationalError,
    WorkerLostError,
    Reject,
)
# How much is kept of lines of Celery that go on with a message's body, headers or arguments: the
# beginning of the line, and how many of its values belong to it.
CUT = {
    "Received unregistered task of type": ("Received unregistered task of type %s", 1),
    "Received invalid task message": ("Received invalid task message: %s", 1),
    "Received and deleted unknown message": ("Received and deleted unknown message", 0),
    "Can't decode message body": ("Can't decode message body: %s", 1),
    "Couldn't convert ETA": ("Couldn't convert the ETA of a message", 0),
    "TaskPool: Apply": ("TaskPool: Apply", 0),
}
# Dotted, as Celery names tasks by default; what else is sent as a name may be anything.
TASK_NAME = re.compile(r"'[A-Za-z_]\w{0,99}(\.\w{1,99}){1,9}'")
OF_CELERY = ("celery", "kombu", "billiard")
# An error as Celery has put it into words, up to the name of its class.
WORDED = re.compile(r"^((?:Retry in \S+?: )?[\w.]+)\(.*\)$", re.DOTALL)
WARNED = re.compile(r"(Exception raised outside body: [\w.]+)\(.*", re.DOTALL)


class RedactedError:
    """An error as a line may show it, whichever way the line asks for it."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __str__(self) -> str:
        return str(self._error) if isinstance(self._error, QUOTE_NOTHING) else repr(self)

    def __repr__(self) -> str:
        name = type(self._error).__name__
        shown = isinstance(self._error, QUOTE_NOTHING)
        return f"{name}: {self._error}" if shown else f"{name} {WITHHELD}"


class RedactionFilter(logging.Filter):
    """A filter for handlers. It changes the record, so that whoever sees it next is safe too."""

    def filter(self, record: logging.LogRecord) -> bool:
        # Celery's own account of a message, its arguments included.
        record.__dict__.pop("data", None)
        if record.name.startswith(OF_CELERY):
            _cut(record)
        elif record.name == "py.warnings":
            record.msg, record.args = WARNED.sub(r"\1", record.getMessage()), ()
        record.args = _discreet(record.args)
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, BaseException):
            record.exc_text = account(error)
        return True


def account(error: BaseException) -> str:
    """A traceback with its causes, without the messages that may quote a text."""
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    lines = []
    if earlier is not None and earlier is not error:
        lines += [account(earlier), "", "which led to:", ""]
    trace = error.__traceback__
    if isinstance(trace, TracebackType):
        lines.append("Traceback (most recent call last):")
        lines.append("".join(traceback.format_tb(trace)).rstrip("\n"))
    lines.append(repr(RedactedError(error)))
    return "\n".join(lines)


def _cut(record: logging.LogRecord) -> None:
    template = str(record.msg)
    for beginning, (kept, values) in CUT.items():
        if template.startswith(beginning):
            given = record.args if isinstance(record.args, tuple) else ()
            record.msg, record.args = kept, tuple(_task(value) for value in given[:values])
            return
    if isinstance(record.args, dict) and "exc" in record.args:
        worded = WORDED.sub(r"\1", str(record.args["exc"]))
        record.args = record.args | {"exc": worded}


def _task(value: object) -> object:
    """The name of a task that is none here, which Celery hands on as the error of looking it up."""
    if isinstance(value, KeyError) and TASK_NAME.fullmatch(str(value)):
        return str(value)
    return value


Args = tuple[object, ...] | Mapping[str, object] | None


def _discreet(args: Args) -> Args:
    if isinstance(args, tuple):
        return tuple(RedactedError(arg) if isinstance(arg, BaseException) else arg for arg in args)
    return args
