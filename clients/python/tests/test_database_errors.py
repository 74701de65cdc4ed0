from __future__ import annotations

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import errors

from plumbline_client.database_errors import is_unreachable, may_pass, reason_of, storage_error
from plumbline_client.database_url import DatabaseUrl
from plumbline_client.errors import DatabaseNotReady, DatabaseRefused, DatabaseUnavailable

URL = DatabaseUrl.parse("postgresql://me:hunter2@db.example/texts")


def with_state(state: str, words: str = "out of luck") -> psycopg.Error:
    """Return an error as psycopg makes it from a server's answer."""
    try:
        kind: type[psycopg.Error] = errors.lookup(state)
    except KeyError:
        kind = psycopg.DatabaseError
    error = kind(words)
    error.sqlstate = state
    return error


PASSING = [
    "08000", "08003", "08006", "08P01",
    "25006",
    "40001", "40P01",
    "53000", "53100", "53200", "53300",
    "55006", "55P03",
    "57014", "57P01", "57P02", "57P03", "57P05",
    "58000", "58030",
    "XX000",
]  # fmt: skip
LASTING = ["0A000", "22001", "22021", "23505", "28P01", "3D000", "3F000", "42501", "42P01", "XX001"]


@pytest.mark.parametrize("state", PASSING)
def test_error_that_may_pass_is_an_unavailable_database(state: str) -> None:
    assert may_pass(with_state(state))
    assert isinstance(storage_error(URL, with_state(state)), DatabaseUnavailable)


@pytest.mark.parametrize("state", LASTING)
def test_error_that_lasts_is_a_refusal(state: str) -> None:
    assert not may_pass(with_state(state))
    assert isinstance(storage_error(URL, with_state(state)), DatabaseRefused)


@given(
    state=st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=5, max_size=5),
    words=st.text(),
    lost=st.booleans(),
)
def test_every_sqlstate_becomes_one_sentence(state: str, words: str, lost: bool) -> None:
    error = storage_error(URL, with_state(state, f"{words} hunter2"), lost=lost)
    assert str(error).startswith("PostgreSQL at postgresql://me:***@db.example/texts ")
    assert str(error).endswith(".") and "\n" not in str(error) and "hunter2" not in str(error)
    assert isinstance(error, DatabaseUnavailable) == (lost or may_pass(with_state(state)))


@pytest.mark.parametrize(
    "words",
    [
        'connection to server at "127.0.0.1", port 1 failed: Connection refused',
        "FATAL:  the database system is starting up",
        "FATAL:  sorry, too many clients already",
        "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
        "server is in hot standby mode",
        "failed to resolve host 'db': [Errno -3] Temporary failure in name resolution",
        "connection timeout expired",
        "FATAL:  server login failed: FATAL the database system is starting up",
        "FATAL:  query_wait_timeout",
        "FATAL:  server_login_retry",
    ],
)
def test_failed_login_that_may_pass_has_no_sqlstate(words: str) -> None:
    assert may_pass(psycopg.OperationalError(words))
    assert is_unreachable(psycopg.OperationalError(words))


@pytest.mark.parametrize(
    "words",
    [
        'FATAL:  password authentication failed for user "me"',
        'FATAL:  role "me" does not exist',
        'FATAL:  database "texts" does not exist',
        'FATAL:  no pg_hba.conf entry for host "::1", user "me", database "texts", no encryption',
        'FATAL:  permission denied for database "texts"',
        'FATAL:  role "me" is not permitted to log in',
        "fe_sendauth: no password supplied",
        "server does not support SSL, but SSL was required",
        'root certificate file "/root/.postgresql/root.crt" does not exist',
        'invalid sslmode value: "on"',
        "FATAL:  unsupported startup parameter: options",
        "FATAL:  no such database: texts",
    ],
)
def test_login_that_is_refused_is_not_waited_for(words: str) -> None:
    assert not may_pass(psycopg.OperationalError(words))


def test_lost_connection_may_pass_whatever_its_error_says() -> None:
    assert may_pass(psycopg.InterfaceError("the connection is closed"), lost=True)


def test_value_that_psycopg_refuses_has_no_sqlstate_and_does_not_pass() -> None:
    assert not may_pass(psycopg.DataError("text fields cannot contain NUL"))


@pytest.mark.parametrize(
    ("state", "words", "sentence"),
    [
        ("57P01", "terminating connection", "cannot be reached: terminating connection."),
        (
            "53100",
            "could not extend file: No space left on device.\nHINT:  Check free disk space.",
            "cannot do this at the moment: could not extend file: No space left on device.",
        ),
        (
            "25006",
            "cannot execute INSERT in a read-only transaction",
            "cannot do this at the moment: cannot execute INSERT in a read-only transaction.",
        ),
        ("22001", "value too long", "refuses: value too long."),
        (
            "42501",
            "permission denied for table jobs",
            "refuses: permission denied for table jobs; run GRANT SELECT, INSERT, UPDATE, DELETE "
            'ON plumbline."jobs" TO "me".',
        ),
        (
            "42501",
            "permission denied for schema plumbline",
            "refuses: permission denied for schema plumbline; run GRANT USAGE ON SCHEMA "
            '"plumbline" TO "me".',
        ),
        (
            "42501",
            "Keine Berechtigung für Schema plumbline",
            "refuses: Keine Berechtigung für Schema plumbline; grant the role "
            '"me" the missing right.',
        ),
    ],
)
def test_sentence_holds_the_servers_own_words_and_the_cure(
    state: str, words: str, sentence: str
) -> None:
    server = "PostgreSQL at postgresql://me:***@db.example/texts "
    assert str(storage_error(URL, with_state(state, words))) == server + sentence


@pytest.mark.parametrize(
    ("error", "lost", "answered"),
    [
        (with_state("53100"), False, True),
        (psycopg.OperationalError("FATAL:  sorry, too many clients already"), False, True),
        (psycopg.OperationalError("Connection refused"), False, False),
        (with_state("57P01", "FATAL:  terminating connection"), True, False),
    ],
)
def test_server_that_answers_is_not_ready_whereas_another_is_away(
    error: psycopg.Error, lost: bool, answered: bool
) -> None:
    kind = type(storage_error(URL, error, lost=lost))
    assert kind is (DatabaseNotReady if answered else DatabaseUnavailable)


def test_right_to_connect_is_named_without_an_sqlstate() -> None:
    error = psycopg.OperationalError('FATAL:  permission denied for database "texts"')
    assert 'run GRANT CONNECT ON DATABASE "texts" TO "me".' in str(storage_error(URL, error))


def test_error_without_words_has_a_reason() -> None:
    assert reason_of(psycopg.OperationalError()) == "no reason given"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ('invalid input syntax for type integer: "my "secret', "of type integer"),
        ('value "secret" is out of range for type integer', "value"),
        ('invalid input syntax for type json\nDETAIL:  Token "secret" is invalid.', "type json"),
        ('invalid byte sequence for encoding "UTF8": secret"', "invalid byte sequence"),
    ],
)
def test_value_that_postgresql_quotes_is_left_out(answer: str, reason: str) -> None:
    for error in (storage_error(URL, with_state("22P02", answer)), with_state("22003", answer)):
        sentence = str(error) if isinstance(error, DatabaseRefused) else reason_of(error)
        assert "secret" not in sentence and reason.split()[-1] in sentence


def test_rows_that_postgresql_quotes_in_later_lines_are_left_out() -> None:
    answer = "new row violates a check\nDETAIL:  Failing row contains (secret)."
    assert "secret" not in str(storage_error(URL, with_state("23514", answer)))


def test_answer_cannot_control_a_terminal() -> None:
    assert reason_of(with_state("XX000", "a\x1b[31m\u202eb")) == r"a\x1b[31m\u202eb"
