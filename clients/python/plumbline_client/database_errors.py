"""What an error of PostgreSQL means: whether it may pass by itself, and the sentence about it.

The client and the application's storage classify by the same table.
"""

from __future__ import annotations

import re

import psycopg

from plumbline_client.database_url import DatabaseUrl
from plumbline_client.errors import DatabaseNotReady, DatabaseRefused, DatabaseUnavailable
from plumbline_client.visible import one_line

# SQLSTATEs, or their beginnings, of what passes without a change of the statement or of its rights.
PASSING = (
    "08",  # connection exception; also what PgBouncer reports
    "25006",  # read-only transaction: the server became a standby in a failover
    "25P03",  # idle in transaction for too long
    "25P04",  # transaction took too long
    "40",  # deadlock, serialization failure
    "53",  # insufficient resources: disk full, out of memory, too many connections
    "55006",  # object in use
    "55P03",  # lock not available
    "57",  # operator intervention: restart, shutdown, cancel, statement timeout
    "58",  # system error: input or output, full disk
    "72000",  # snapshot too old
    "XX000",  # internal error: a concurrent update of the catalog, or a proxy's own error
)
# States in which PostgreSQL cannot be talked to at all.
UNREACHABLE = ("08", "57P")
READ_ONLY = "25006"
# Its message quotes the value, which may be a text and contain quotes itself.
DATA_EXCEPTION = "22"
VALUE = re.compile(r'".*')
INSUFFICIENT_PRIVILEGE = "42501"

# libpq reports no SQLSTATE for a failed login, only the server's words. In another language they
# are not recognized, and the login is tried again like any other.
LOGIN_REFUSED = re.compile(
    r"""authentication\ failed|no\ password\ supplied|pg_hba\.conf|is\ not\ permitted\ to\ log\ in
    |(role|database|user|file)\ ".*"\ does\ not\ exist|permission\ denied\ for\ database
    |(certificate|key)\ file|does\ not\ support\ SSL|certificate\ verify\ failed
    |invalid\ \w+\ value|invalid\ value\ for\ parameter|unsupported\ startup\ parameter
    |no\ such\ (database|user)|authentication\ method\ requirement|service\ file
    |definition\ of\ service""",
    re.VERBOSE,
)
# PgBouncer repeats what the server answered it, and tries again by itself.
STILL_PASSING = re.compile(r"starting up|shutting down|too many (clients|connections)|recovery")

TIMED_OUT = re.compile(r"due to (statement|lock) timeout")
DENIED = re.compile(r'permission denied for (\w+) "?([^"]+)')
PRIVILEGES = {
    "database": "CONNECT ON DATABASE",
    "schema": "USAGE ON SCHEMA",
    "table": "SELECT, INSERT, UPDATE, DELETE ON",
    "view": "SELECT ON",
    "function": "EXECUTE ON FUNCTION",
    "procedure": "EXECUTE ON PROCEDURE",
}


def may_pass(error: psycopg.Error, *, lost: bool = False) -> bool:
    """Return whether waiting may help; `lost` is whether the error ended the connection."""
    if lost:
        return True
    if error.sqlstate is not None:
        return error.sqlstate.startswith(PASSING)
    # A failed connection attempt has no SQLSTATE. A value that psycopg itself refuses has none
    # either, but is a DataError.
    return isinstance(error, psycopg.OperationalError) and not _is_login_refused(error)


def is_unreachable(error: psycopg.Error, *, lost: bool = False) -> bool:
    """Return whether the server did not answer, or answered that it is not there for anybody."""
    state = error.sqlstate
    silent = state is None or state.startswith(UNREACHABLE)
    return lost or (silent and may_pass(error))


def storage_error(
    url: DatabaseUrl, error: psycopg.Error, *, lost: bool = False
) -> DatabaseUnavailable | DatabaseRefused:
    """Return the error with one sentence that holds PostgreSQL's own words, but no secret."""
    reason = url.without_secrets(reason_of(error))
    if may_pass(error, lost=lost):
        unreachable = is_unreachable(error, lost=lost)
        if TIMED_OUT.search(reason):
            reason += "; it is busy, or another transaction holds a lock"
        verb = "cannot be reached" if unreachable else "cannot do this at the moment"
        # A failed login has no SQLSTATE; FATAL is the severity that the server gives its answer.
        answered = not unreachable or (not lost and "FATAL" in reason)
        kind = DatabaseNotReady if answered else DatabaseUnavailable
        return kind(f"{url.server} {verb}: {reason}.")
    return DatabaseRefused(f"{url.server} refuses: {reason}{_cure(error, reason, url.user)}.")


def reason_of(error: BaseException) -> str:
    """Return the first line of the error, without a full stop and without a value that it quotes.

    The other lines of PostgreSQL's answer quote rows and parameters.
    """
    first = (str(error).strip().splitlines() or ["no reason given"])[0].rstrip(".")
    if (getattr(error, "sqlstate", None) or "").startswith(DATA_EXCEPTION):
        first = VALUE.sub('"..."', first)
    return one_line(first)


def quoted(identifier: str) -> str:
    """Return an SQL identifier in quotes."""
    return '"' + identifier.replace('"', '""') + '"'


def _is_login_refused(error: psycopg.Error) -> bool:
    words = str(error)
    return bool(LOGIN_REFUSED.search(words)) and not STILL_PASSING.search(words)


def _cure(error: psycopg.Error, reason: str, user: str) -> str:
    """Return which GRANT is missing, for the end of a sentence."""
    denied = DENIED.search(reason)
    if denied is None or denied[1] not in PRIVILEGES:
        # Plumbline's own functions name the command that helps.
        is_denied = error.sqlstate == INSUFFICIENT_PRIVILEGE and "`plumbline " not in reason
        return f"; grant the role {quoted(user)} the missing right" if is_denied else ""
    kind, name = denied[1], denied[2]
    place = quoted(name) if kind in ("database", "schema") else f"plumbline.{quoted(name)}"
    return f"; run GRANT {PRIVILEGES[kind]} {place} TO {quoted(user)}"
