"""The URLs of both servers as they may be printed: rebuilt from parts that are no secrets."""

from __future__ import annotations

import re
from itertools import zip_longest
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from plumbline_client.broker_url_parser import parse_broker_url
from plumbline_client.errors import BrokerUrlInvalid
from plumbline_client.url_syntax import cleaned, split_scheme

# A URL that is not valid is never printed: the position of its password is unknown.
UNKNOWN = "the configured URL"
POSTGRESQL_SCHEMES = ("postgresql", "postgres")
# A part that contains anything else may contain a piece of the password.
SAFE_HOST = re.compile(r"[\w.-]*|/[\w./-]*|[0-9A-Fa-f:.]+(%[\w.-]+)?")
# An Azure user contains an @; a database whose name contains one follows a / in the password.
SAFE_USER = re.compile(r"[\w.@ -]*")
SAFE_DATABASE = re.compile(r"[\w. -]*")
SAFE_PORT = re.compile(r"[0-9]{0,5}")


def masked(url: str) -> str:
    """Return the URL of a PostgreSQL or Redis server with asterisks in place of its password.

    A URL that cannot be parsed becomes "the configured URL".
    """
    try:
        scheme, rest = split_scheme(cleaned(url))
    except ValueError:
        return UNKNOWN
    # SQLAlchemy's form postgresql+psycopg:// is accepted where it was before.
    if scheme.partition("+")[0] in POSTGRESQL_SCHEMES:
        return _masked_postgresql(f"postgresql://{rest}")
    try:
        return parse_broker_url(url).masked
    except BrokerUrlInvalid:
        return UNKNOWN


def _masked_postgresql(url: str) -> str:
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error:
        return UNKNOWN
    values = {name: str(value) for name, value in parts.items() if value is not None}
    user, database = values.get("user", ""), values.get("dbname", "")
    hosts = values.get("host", values.get("hostaddr", "")).split(",")
    ports = values.get("port", "").split(",")
    if not (
        SAFE_USER.fullmatch(user)
        and SAFE_DATABASE.fullmatch(database)
        and all(SAFE_HOST.fullmatch(host) for host in hosts)
        and all(SAFE_PORT.fullmatch(port) for port in ports)
    ):
        return UNKNOWN
    password = ":***" if values.get("password") else ""
    login = f"{quote(user)}{password}@" if user or password else ""
    if any(host.startswith("/") for host in hosts):
        return f"postgresql://{login}/{quote(database)}?host={','.join(hosts)}"
    return f"postgresql://{login}{_addresses(hosts, ports)}/{quote(database)}"


def _addresses(hosts: list[str], ports: list[str]) -> str:
    """Return the list of servers. A single port applies to every host."""
    every_port = ports * len(hosts) if len(ports) == 1 else ports
    bracketed = (f"[{host}]" if ":" in host else host for host in hosts)
    return ",".join(
        f"{host}:{port}" if port else host
        for host, port in zip_longest(bracketed, every_port, fillvalue="")
    )
