"""Roles of a test's own, on the PostgreSQL that all tests share."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.servers import execute

# What an administrator may have set for a role, each of which changed or broke something.
HOSTILE_SETTINGS = {
    "DateStyle": "German",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kolkata",
    "client_encoding": "LATIN1",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "standard_conforming_strings": "off",
    "search_path": "shadow, pg_catalog",
    "transform_null_equals": "on",
    "exit_on_error": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "default_transaction_deferrable": "on",
    "synchronous_commit": "off",
    "statement_timeout": "200ms",
    "lock_timeout": "100ms",
    "idle_in_transaction_session_timeout": "200ms",
    "idle_session_timeout": "200ms",
}


@contextmanager
def role(database_url: str, settings: Mapping[str, str] | None = None) -> Iterator[tuple[str, str]]:
    """Create a role that owns nothing; yield its name, and the URL with its login."""
    name = "role_" + uuid.uuid4().hex
    execute(database_url, f"CREATE ROLE {name} LOGIN PASSWORD 'secret'")
    for setting, value in (settings or {}).items():
        listed = value if setting == "search_path" else f"'{value}'"
        execute(database_url, f"ALTER ROLE {name} SET {setting} = {listed}")
    parts = urlsplit(database_url)
    address = (parts.netloc or "").rpartition("@")[2]
    try:
        yield name, parts._replace(netloc=f"{name}:secret@{address}").geturl()
    finally:
        execute(database_url, f"DROP OWNED BY {name}")
        execute(database_url, f"DROP ROLE {name}")


def grant_use(database_url: str, name: str) -> None:
    """Grant what a client or a worker needs."""
    tables = "SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA plumbline"
    for right in ("USAGE ON SCHEMA plumbline", tables):
        execute(database_url, f"GRANT {right} TO {name}")
