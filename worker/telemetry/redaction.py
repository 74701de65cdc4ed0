"""Redaction: removes whatever may quote a text or a password from each log record.

Messages contain texts, and errors quote the value that they fail on. A log line therefore shows an
error's message only if its class is known not to quote texts, and only the beginning of those
Celery lines that print a whole message.

Plumbline's own sentences contain no password. Libraries may log a URL; its password is removed.
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

from plumbline_client.errors import PlumblineError

WITHHELD = "(message withheld: it may quote a text)"
# Their messages are our own sentences, or name servers and files.
SAFE_ERRORS = (
    PlumblineError,
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
# Celery's lines that contain a message's body, headers or arguments. For each beginning of such a
# line: the template that replaces it, and how many of its values are kept.
SHORTENED = {
    "Received unregistered task of type": ("Received unregistered task of type %s", 1),
    "Received invalid task message": ("Received invalid task message: %s", 1),
    "Received and deleted unknown message": ("Received and deleted unknown message", 0),
    "Can't decode message body": ("Can't decode message body: %s", 1),
    "Couldn't convert ETA": ("Couldn't convert the ETA of a message", 0),
    "TaskPool: Apply": ("TaskPool: Apply", 0),
}
# A dotted name, as Celery gives tasks by default. Any other name could be a text.
TASK_NAME = re.compile(r"'[A-Za-z_]\w{0,99}(\.\w{1,99}){1,9}'")
CELERY_LOGGERS = ("celery", "kombu", "billiard")
# An error that Celery formatted as text, up to the name of its class.
FORMATTED_ERROR = re.compile(r"^((?:Retry in \S+?: )?[\w.]+)\(.*\)$", re.DOTALL)
FORMATTED_WARNING = re.compile(r"(Exception raised outside body: [\w.]+)\(.*", re.DOTALL)
# The login of a URL, up to its last @, and the parameters of URLs and of libpq.
LOGIN = re.compile(r"://([^\s:/?#@]*):\S*@")
# In a URL of Redis, a user without a password may be a password that lacks its colon.
REDIS_USER = re.compile(r"\b((?:rediss?|unix|redis\+socket)://)[^\s:@]+@", re.IGNORECASE)
PASSWORD_PARAMETER = re.compile(
    r"((?:password|passwd|secret)\s*=\s*)('[^']*'|[^\s&'\",;)]+)", re.IGNORECASE
)


class RedactedError:
    """An error as a log line may show it, with %s and with %r."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __str__(self) -> str:
        return str(self._error) if isinstance(self._error, SAFE_ERRORS) else repr(self)

    def __repr__(self) -> str:
        name = type(self._error).__name__
        is_safe = isinstance(self._error, SAFE_ERRORS)
        return f"{name}: {self._error}" if is_safe else f"{name} {WITHHELD}"


class RedactionFilter(logging.Filter):
    """A filter for handlers. It changes the record itself, so that later handlers are safe too."""

    def filter(self, record: logging.LogRecord) -> bool:
        # Celery's description of a message, including its arguments.
        record.__dict__.pop("data", None)
        if record.name.startswith(CELERY_LOGGERS):
            _shorten(record)
        elif record.name == "py.warnings":
            record.msg, record.args = FORMATTED_WARNING.sub(r"\1", record.getMessage()), ()
        record.args = _redact_args(record.args)
        _remove_passwords(record)
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, BaseException):
            record.exc_text = without_passwords(format_traceback(error))
        return True


def format_traceback(error: BaseException) -> str:
    """Return the traceback with its causes, without messages that may quote a text."""
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    lines = []
    if earlier is not None and earlier is not error:
        lines += [format_traceback(earlier), "", "which led to:", ""]
    trace = error.__traceback__
    if isinstance(trace, TracebackType):
        lines.append("Traceback (most recent call last):")
        lines.append("".join(traceback.format_tb(trace)).rstrip("\n"))
    lines.append(repr(RedactedError(error)))
    return "\n".join(lines)


def without_passwords(line: str) -> str:
    """Return the line with asterisks in place of the passwords of URLs in it."""
    if "://" in line:
        line = LOGIN.sub(r"://\1:***@", line)
        line = REDIS_USER.sub(r"\1***@", line)
    return PASSWORD_PARAMETER.sub(r"\1***", line)


def _remove_passwords(record: logging.LogRecord) -> None:
    try:
        line = record.getMessage()
    except (TypeError, ValueError):
        # The template does not fit its values, which the handler reports.
        return
    without = without_passwords(line)
    if without != line:
        record.msg, record.args = without, ()


def _shorten(record: logging.LogRecord) -> None:
    template = str(record.msg)
    for beginning, (shortened, kept) in SHORTENED.items():
        if template.startswith(beginning):
            values = record.args if isinstance(record.args, tuple) else ()
            record.msg, record.args = shortened, tuple(_task_name(v) for v in values[:kept])
            return
    if isinstance(record.args, dict) and "exc" in record.args:
        class_name = FORMATTED_ERROR.sub(r"\1", str(record.args["exc"]))
        record.args = record.args | {"exc": class_name}


def _task_name(value: object) -> object:
    """Return the name of an unregistered task, which Celery passes as a KeyError."""
    if isinstance(value, KeyError) and TASK_NAME.fullmatch(str(value)):
        return str(value)
    return value


Args = tuple[object, ...] | Mapping[str, object] | None


def _redact_args(args: Args) -> Args:
    if isinstance(args, tuple):
        return tuple(RedactedError(arg) if isinstance(arg, BaseException) else arg for arg in args)
    return args
