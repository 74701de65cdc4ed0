"""Redaction: removes whatever may quote a text or a password from each log record, and escapes
what a terminal would obey, so that each record is one entry of the log.

Messages contain texts, and errors quote the value that they fail on. A log line therefore shows an
error's message only if its class is known not to quote texts, and only the beginning of those
Celery lines that print a whole message.

Plumbline's own sentences contain no password. Libraries may log a URL; its password is removed.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping

import kombu.exceptions
import psycopg
import redis
from celery.exceptions import Reject, WorkerLostError

from plumbline.tracebacks import WITHHELD, format_traceback, own_sentence
from plumbline_client.database_errors import reason_of
from plumbline_client.errors import PlumblineError
from plumbline_client.visible import indented, one_entry, one_line

# An attribute of a record: show the messages of our own errors alone, because whatever fails on a
# text may quote it in an error of any class.
WITHHOLD = "withhold"
# Celery's name for a formatted traceback among the values of a line.
TRACEBACK = "traceback"
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
        return self._message() if isinstance(self._error, SAFE_ERRORS) else repr(self)

    def __repr__(self) -> str:
        name = type(self._error).__name__
        is_safe = isinstance(self._error, SAFE_ERRORS)
        return f"{name}: {self._message()}" if is_safe else f"{name} {WITHHELD}"

    def _message(self) -> str:
        # The lines of PostgreSQL's answer after the first quote rows and parameters.
        of_postgresql = isinstance(self._error, psycopg.Error)
        return reason_of(self._error) if of_postgresql else one_line(str(self._error))


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
        _make_visible(record)
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, BaseException):
            withholds = getattr(record, WITHHOLD, False)
            described = format_traceback(error, own_sentence if withholds else _describe)
            record.exc_text = indented(without_passwords(described))
        return True


def _describe(error: BaseException) -> str:
    return repr(RedactedError(error))


def without_passwords(line: str) -> str:
    """Return the line with asterisks in place of the passwords of URLs in it."""
    if "://" in line:
        line = LOGIN.sub(r"://\1:***@", line)
        line = REDIS_USER.sub(r"\1***@", line)
    return PASSWORD_PARAMETER.sub(r"\1***", line)


def _make_visible(record: logging.LogRecord) -> None:
    try:
        line = record.getMessage()
    except (TypeError, ValueError):
        # The template does not fit its values, which the handler reports.
        return
    visible = one_entry(without_passwords(line))
    if visible != line:
        record.msg, record.args = visible, ()


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
        return tuple(map(_redact, args))
    if isinstance(args, dict):
        return {name: _redact_named(name, value) for name, value in args.items()}
    return args


def _redact(value: object) -> object:
    if isinstance(value, BaseException):
        return RedactedError(value)
    # Of a value, not even the line breaks are ours. A subclass, as of an enum, may format itself.
    return one_line(value) if type(value) is str else value


def _redact_named(name: str, value: object) -> object:
    return value if name == TRACEBACK else _redact(value)
