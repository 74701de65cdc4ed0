"""Lines as Celery, its libraries and we write them, each with a text where one has been."""

import json
import logging
import sys
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from celery.app import trace
from celery.worker.consumer import consumer
from sqlalchemy.exc import DBAPIError

from plumbline_client.errors import DatabaseRefused
from worker.telemetry.redaction import WITHHELD, RedactionFilter, account

SECRET = "meet me at the old mill"


def written(name: str, message: str, *args: Any, **options: Any) -> str:
    """The line a handler with our filter writes."""
    error = options.pop("error", None)
    exc_info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord(name, logging.ERROR, "", 1, message, args, exc_info)
    record.__dict__.update(options)
    assert RedactionFilter().filter(record)
    return logging.Formatter("%(message)s").format(record)


def raised(act: Callable[[], Any]) -> Exception:
    try:
        act()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_our_own_sentences_are_shown() -> None:
    error = DatabaseRefused("PostgreSQL refuses: no.")
    assert written("worker.tasks", "it waits: %s", error) == "it waits: PostgreSQL refuses: no."
    assert written("worker.tasks", "%d of %s", 3, "job-1") == "3 of job-1"


@pytest.mark.parametrize("form", ["%s", "%r"])
def test_what_another_error_says_is_not(form: str) -> None:
    line = written("worker.tasks", f"it waits: {form}", ValueError(f"bad: {SECRET}"))
    assert line == f"it waits: ValueError {WITHHELD}"


def test_what_json_says_of_a_place_is_shown() -> None:
    error = raised(lambda: json.loads(SECRET))
    assert "JSONDecodeError: Expecting value: line 1" in written(
        "worker.broker.transport", "%r", error
    )


def test_a_traceback_keeps_its_frames_and_loses_its_quotes() -> None:
    def insert() -> None:
        raise KeyError(SECRET)

    def refuse() -> None:
        try:
            insert()
        except KeyError as error:
            raise DBAPIError("INSERT", {"text": SECRET}, error) from error

    error = raised(refuse)
    error.add_note(SECRET)
    line = written("worker.tasks", "it failed", error=error)
    assert SECRET not in line
    assert "in insert" in line and "in refuse" in line
    assert f"KeyError {WITHHELD}" in line and f"DBAPIError {WITHHELD}" in line
    assert line.index("KeyError") < line.index("which led to") < line.index("DBAPIError")


def test_an_error_that_was_set_aside_is_not_told() -> None:
    def other() -> None:
        try:
            raise KeyError(1)
        except KeyError:
            raise ValueError from None

    assert "KeyError" not in account(raised(other))


MESSAGE = f"[[], {{'jobs': [{{'text': {SECRET!r}}}]}}, {{}}]"
LINES = [
    (consumer.UNKNOWN_TASK_ERROR, (KeyError("x"), MESSAGE, {"kwargsrepr": MESSAGE}, {})),
    (consumer.INVALID_TASK_ERROR, (ValueError(SECRET), MESSAGE)),
    (consumer.UNKNOWN_FORMAT, (MESSAGE,)),
    (consumer.MESSAGE_DECODE_ERROR, (ValueError(SECRET), "json", "utf-8", MESSAGE, MESSAGE)),
    ("Couldn't convert ETA %r to timestamp: %r. Task: %r", (SECRET, 1, {"kwargs": MESSAGE})),
    ("TaskPool: Apply %s (args:%r kwargs:%r)", ("f", MESSAGE, {"a": MESSAGE})),
    ("Task handler raised error: %r", (ValueError(SECRET),)),
]


@pytest.mark.parametrize(("template", "values"), LINES)
def test_what_celery_prints_whole_is_cut(template: str, values: tuple[Any, ...]) -> None:
    line = written("celery.worker.consumer.consumer", template, *values)
    assert SECRET not in line and "jobs" not in line
    assert line.startswith(template[:14])


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("shop.score", "'shop.score'"),
        (SECRET, "KeyError " + WITHHELD),
        ("old", "KeyError " + WITHHELD),
    ],
)
def test_the_name_of_a_task_that_is_none_here_is_shown(name: str, shown: str) -> None:
    error = KeyError(name)
    line = written(
        "celery.worker.consumer.consumer", consumer.UNKNOWN_TASK_ERROR, error, "", {}, {}
    )
    assert line == f"Received unregistered task of type {shown}"


@pytest.mark.parametrize(
    ("template", "worded", "shown"),
    [
        (trace.LOG_RETRY, f"Retry in 0s: ValueError({SECRET!r})", "Retry in 0s: ValueError"),
        (trace.LOG_FAILURE, f"ValueError({SECRET!r})", "ValueError"),
        (trace.LOG_INTERNAL_ERROR, f"a.b.Odd({SECRET!r},\n 2)", "a.b.Odd"),
    ],
)
def test_an_error_celery_worded_is_its_class(template: str, worded: str, shown: str) -> None:
    values = {"name": "t", "id": "7", "exc": worded, "description": "raised", "args": SECRET}
    line = written("celery.app.trace", template, values, data=values)
    assert line.endswith(f": {shown}")


def test_no_other_handler_gets_the_arguments() -> None:
    record = logging.makeLogRecord({"name": "n", "msg": "m", "data": {"kwargs": SECRET}})
    RedactionFilter().filter(record)
    assert SECRET not in str(record.__dict__)


def test_a_warning_of_what_could_not_be_read_is_its_class() -> None:
    error = raised(lambda: (SECRET.encode() + b"\xff").decode())
    said = warnings.formatwarning(
        f"Exception raised outside body: {error!r}:\n{SECRET}", RuntimeWarning, "trace.py", 1
    )
    line = written("py.warnings", "%s", said)
    assert "Exception raised outside body: UnicodeDecodeError" in line and SECRET not in line


def test_what_is_no_error_passes_as_it_is() -> None:
    assert written("celery.worker", "%s ready.", "worker@here") == "worker@here ready."
    assert written("other", "100%") == "100%"
    assert sys.exc_info()[1] is None
