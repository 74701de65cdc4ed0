"""Records as Celery, its libraries and the workers log them, each with a secret text inside."""

import json
import logging
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from celery.app import trace
from celery.worker.consumer import consumer
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from plumbline.tracebacks import WITHHELD, format_traceback
from plumbline_client.broker_url import BrokerUrl
from plumbline_client.errors import DatabaseRefused
from plumbline_client.visible import is_safe
from worker.telemetry.redaction import WITHHOLD, RedactionFilter

SECRET = "meet me at the old mill"


def logged_line(name: str, message: str, *args: Any, **fields: Any) -> str:
    """Return the line that a handler with the redaction filter writes."""
    error = fields.pop("error", None)
    exc_info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord(name, logging.ERROR, "", 1, message, args, exc_info)
    record.__dict__.update(fields)
    assert RedactionFilter().filter(record)
    return logging.Formatter("%(message)s").format(record)


def raised_by(function: Callable[[], Any]) -> Exception:
    try:
        function()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_the_sentences_of_our_own_errors_are_shown() -> None:
    error = DatabaseRefused("PostgreSQL refuses: no.")
    line = logged_line("worker.tasks", "it failed: %s", error)
    assert line == "it failed: PostgreSQL refuses: no."
    assert logged_line("worker.tasks", "%d of %s", 3, "job-1") == "3 of job-1"


@pytest.mark.parametrize("form", ["%s", "%r"])
def test_the_message_of_any_other_error_is_withheld(form: str) -> None:
    line = logged_line("worker.tasks", f"it failed: {form}", ValueError(f"bad: {SECRET}"))
    assert line == f"it failed: ValueError {WITHHELD}"


def test_the_position_of_a_json_error_is_shown() -> None:
    error = raised_by(lambda: json.loads(SECRET))
    line = logged_line("worker.broker.transport", "%r", error)
    assert "JSONDecodeError: Expecting value: line 1" in line


def test_a_traceback_keeps_its_frames_without_the_messages() -> None:
    def insert() -> None:
        raise KeyError(SECRET)

    def refuse() -> None:
        try:
            insert()
        except KeyError as error:
            raise DBAPIError("INSERT", {"text": SECRET}, error) from error

    error = raised_by(refuse)
    error.add_note(SECRET)
    line = logged_line("worker.tasks", "it failed", error=error)
    assert SECRET not in line
    assert "in insert" in line and "in refuse" in line
    assert f"KeyError {WITHHELD}" in line and f"DBAPIError {WITHHELD}" in line
    assert line.index("KeyError") < line.index("which led to") < line.index("DBAPIError")


def test_a_suppressed_error_is_not_part_of_the_traceback() -> None:
    def raise_from_none() -> None:
        try:
            raise KeyError(1)
        except KeyError:
            raise ValueError from None

    assert "KeyError" not in format_traceback(raised_by(raise_from_none))


def test_what_postgresql_says_of_rows_is_left_out() -> None:
    error = psycopg.OperationalError(f"too many connections\nCONTEXT:  row ({SECRET})")
    assert logged_line("worker.tasks", "%s", error) == "too many connections"


def test_a_record_about_a_text_withholds_the_message_of_every_class() -> None:
    error = raised_by(lambda: Path(SECRET).read_text(encoding="utf-8"))
    line = logged_line("worker.tasks", "it failed", error=error, **{WITHHOLD: True})
    assert SECRET not in line and f"FileNotFoundError {WITHHELD}" in line


FORGED = "shop\r\n[2026-11-27 00:00:00,000: ERROR/MainProcess] forged\x1b[2J\x9b1m\u202e\u2028"


@pytest.mark.parametrize(
    ("template", "args"),
    [
        ("source %s is refused", (FORGED,)),
        ("source %(name)s is refused", ({"name": FORGED},)),
        (f"source {FORGED} is refused", ()),
        ("it failed: %s", (DatabaseRefused(FORGED),)),
        ("it failed: %r", (FORGED,)),
        ("100%% of %s", (FORGED,)),
        (
            "Task %(name)s failed: %(exc)s\n%(traceback)s",
            ({"name": FORGED, "exc": FORGED, "traceback": f"Traceback\n{FORGED}"},),
        ),
    ],
)
@pytest.mark.parametrize("logger", ["worker.tasks", "celery.app.trace", "py.warnings"])
def test_a_record_is_one_entry_whatever_is_in_it(
    logger: str, template: str, args: tuple[Any, ...]
) -> None:
    first, *others = logged_line(logger, template, *args).split("\n")
    assert "shop" in first or logger == "celery.app.trace"
    assert all(line.startswith("    ") for line in others)
    assert all(map(is_safe, "".join([first, *others])))


def test_a_value_has_no_line_breaks_of_its_own() -> None:
    line = logged_line("worker.tasks", "source %s", "a\nb")
    assert line == r"source a\nb"


def test_the_lines_of_a_traceback_belong_to_its_entry() -> None:
    line = logged_line("worker.tasks", "it failed", error=raised_by(lambda: int("x")))
    _, *others = line.split("\n")
    assert others[0] == "    Traceback (most recent call last):"
    assert all(line.startswith("    ") for line in others)


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
def test_celery_lines_that_print_a_whole_message_are_shortened(
    template: str, values: tuple[Any, ...]
) -> None:
    line = logged_line("celery.worker.consumer.consumer", template, *values)
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
def test_the_dotted_name_of_an_unregistered_task_is_shown(name: str, shown: str) -> None:
    error = KeyError(name)
    line = logged_line(
        "celery.worker.consumer.consumer", consumer.UNKNOWN_TASK_ERROR, error, "", {}, {}
    )
    assert line == f"Received unregistered task of type {shown}"


@pytest.mark.parametrize(
    ("template", "formatted", "shown"),
    [
        (trace.LOG_RETRY, f"Retry in 0s: ValueError({SECRET!r})", "Retry in 0s: ValueError"),
        (trace.LOG_FAILURE, f"ValueError({SECRET!r})", "ValueError"),
        (trace.LOG_INTERNAL_ERROR, f"a.b.Odd({SECRET!r},\n 2)", "a.b.Odd"),
    ],
)
def test_an_error_that_celery_formatted_is_reduced_to_its_class(
    template: str, formatted: str, shown: str
) -> None:
    values = {"name": "t", "id": "7", "exc": formatted, "description": "raised", "args": SECRET}
    line = logged_line("celery.app.trace", template, values, data=values)
    assert line.endswith(f": {shown}")


def test_later_handlers_do_not_get_the_arguments() -> None:
    record = logging.makeLogRecord({"name": "n", "msg": "m", "data": {"kwargs": SECRET}})
    RedactionFilter().filter(record)
    assert SECRET not in str(record.__dict__)


def test_a_warning_about_an_unreadable_message_is_reduced_to_its_class() -> None:
    error = raised_by(lambda: (SECRET.encode() + b"\xff").decode())
    warning = warnings.formatwarning(
        f"Exception raised outside body: {error!r}:\n{SECRET}", RuntimeWarning, "trace.py", 1
    )
    line = logged_line("py.warnings", "%s", warning)
    assert "Exception raised outside body: UnicodeDecodeError" in line and SECRET not in line


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("to redis://:hunter2@h:1/0: no", "to redis://:***@h:1/0: no"),
        ("to redis://:hun/te@r2@h:1/0: no", "to redis://:***@h:1/0: no"),
        ("to redis://hunter2@h:1/0", "to redis://***@h:1/0"),
        ("redis+socket://me:hunter2@/r.sock", "redis+socket://me:***@/r.sock"),
        ("redis://h/0?password=hunter2&db=1", "redis://h/0?password=***&db=1"),
        ("to postgresql://me:hunter2@h/d, and", "to postgresql://me:***@h/d, and"),
        ("connection failed: host=h password='hunter2' user=me", "password=*** user=me"),
        ("rediss://h?ssl_password=hunter2", "rediss://h?ssl_password=***"),
        ("postgresql://h/d?oauth_client_secret=hunter2&x", "oauth_client_secret=***&x"),
    ],
)
def test_passwords_of_urls_are_removed(line: str, shown: str) -> None:
    for template, values in ((line, ()), ("%s", (line,)), ("%r", (OSError(line),))):
        logged = logged_line("kombu.connection", template, *values)
        assert shown in logged and "hunter2" not in logged
    traceback = logged_line("worker.tasks", "it failed", error=OSError(line))
    assert shown in traceback and "hunter2" not in traceback


@given(
    password=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    template=st.sampled_from(
        (
            "Connected to {}",
            "Cannot connect to {}: Error 111.",
            "consumer: {!r}",
            "({}) and (redis://host:1/0)",
        )
    ),
)
def test_no_log_line_holds_the_password_of_a_url(password: str, template: str) -> None:
    secret = f"Pa{password}sS"
    for broker in (BrokerUrl(password=secret), BrokerUrl(password=secret, socket="/r.sock")):
        for url in (broker.url, broker.celery_url()):
            line = logged_line("kombu.connection", "%s", OSError(template.format(url)))
            assert quote(secret, safe="") not in line


@pytest.mark.parametrize(
    "line",
    [
        "Connected to redis://me:***@127.0.0.1:6379/0",
        "Redis at unix://:***@/run/redis.sock?db=0 refuses: WRONGPASS invalid password.",
        "metrics are served at http://127.0.0.1:9100/metrics",
        "setting database_url = **********",
    ],
)
def test_lines_without_a_password_stay(line: str) -> None:
    assert logged_line("worker", line) == line


def test_a_template_that_does_not_fit_is_left_to_the_handler() -> None:
    assert RedactionFilter().filter(logging.LogRecord("n", 20, "", 1, "%d://", ("x",), None))


def test_other_lines_are_unchanged() -> None:
    assert logged_line("celery.worker", "%s ready.", "worker@here") == "worker@here ready."
    assert logged_line("other", "100%") == "100%"
    assert sys.exc_info()[1] is None
