"""Parses the URL of Redis. No error quotes a part of the URL, which may be its password."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv6Address

from plumbline_client.broker_url import DEFAULT_HOST, DEFAULT_PORT, TLS_FILES, BrokerUrl, Tls
from plumbline_client.errors import BrokerUrlInvalid
from plumbline_client.url_syntax import UNKNOWN, cleaned, decoded, split_scheme, split_user_info

# redis-py's name for a socket, and kombu's.
SOCKET_SCHEMES = ("unix", "redis+socket")
SCHEMES = ("redis", "rediss", *SOCKET_SCHEMES)
# The names of redis-py, and kombu's name for the database.
DATABASE_OPTIONS = ("db", "virtual_host")
TLS_OPTIONS = ("ssl_cert_reqs", "ssl_check_hostname", *TLS_FILES, "ssl_password", "ssl_ciphers")
OPTIONS = ("username", "password", *DATABASE_OPTIONS, *TLS_OPTIONS)
CERTIFICATE_CHECKS = ("required", "optional", "none")
BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

HOST = re.compile(r"[\w.-]+")
NUMBER = re.compile(r"[0-9]{1,10}")
MAX_PORT = 65_535
# The URL of one server contains neither; the lists of kombu and of Redis Sentinel do.
SEVERAL_URLS = re.compile(r"[;,]\s*[A-Za-z][A-Za-z0-9+.-]*://")
SEVERAL_HOSTS = re.compile(r"@[^@/?]*:[0-9]+,")
SEVERAL_SERVERS = (
    "names several servers or a sentinel, but Plumbline uses one server: write the address of the "
    "master, or one that follows it"
)
ENCODE = "in a password, write / as %2F, ? as %3F, @ as %40 and % as %25"


def parse_broker_url(url: str) -> BrokerUrl:
    """Parse a `redis://`, `rediss://`, `unix://` or `redis+socket://` URL.

    Raises BrokerUrlInvalid.
    """
    try:
        scheme, rest = split_scheme(cleaned(url))
        _check_scheme(scheme)
        if SEVERAL_URLS.search(rest) or SEVERAL_HOSTS.search(rest):
            raise ValueError(SEVERAL_SERVERS)
        return _parse(scheme, rest)
    except ValueError as reason:
        raise BrokerUrlInvalid(f"The broker URL {reason}.") from None


def masked_broker_url(url: str) -> str:
    """Return the URL with asterisks in place of its password; `UNKNOWN` if it cannot be parsed."""
    try:
        return parse_broker_url(url).masked
    except BrokerUrlInvalid:
        return UNKNOWN


def _check_scheme(scheme: str) -> None:
    if "sentinel" in scheme or "cluster" in scheme:
        raise ValueError(SEVERAL_SERVERS)
    if scheme not in SCHEMES:
        raise ValueError("does not start with redis://, rediss:// or unix://")


def _parse(scheme: str, rest: str) -> BrokerUrl:
    authority = re.split("[/?]", rest, maxsplit=1)[0]
    user_info, _, host = authority.rpartition("@")
    try:
        return _parse_parts(scheme, user_info, host + rest[len(authority) :])
    except ValueError:
        # An unencoded / or ? in the password ends the authority too early.
        user_info, _, address = rest.rpartition("@")
        if not _is_login(user_info):
            raise
    return _parse_parts(scheme, user_info, address)


def _is_login(user_info: str) -> bool:
    """Return whether this is `user:password`, and not the beginning of an address with options."""
    user, colon, password = user_info.partition(":")
    is_address = re.search("[/?]", user) or re.search(r"[?&][A-Za-z_]+=", password)
    return bool(colon) and not is_address


def _parse_parts(scheme: str, user_info: str, address: str) -> BrokerUrl:
    location, _, query = address.partition("?")
    host_and_port, slash, path = location.partition("/")
    options = _parse_options(query)
    user, password = split_user_info(user_info)
    user = _one("user", user, options.get("username"))
    password = _one("password", password, options.get("password"))
    tls = {name: value for name, value in options.items() if name in TLS_OPTIONS}
    databases = [options.get(name) for name in DATABASE_OPTIONS]
    if scheme in SOCKET_SCHEMES:
        if host_and_port or not path:
            raise ValueError("needs an absolute path: write unix:///path/to/redis.sock?db=0")
        if tls:
            raise ValueError("asks for TLS on a socket: remove the options that start with ssl_")
        number = _parse_database(_one("database", *databases))
        return BrokerUrl(
            database=number, user=user, password=password, socket=_parse_path(slash + path)
        )
    if tls and scheme != "rediss":
        raise ValueError("has options of TLS: start it with rediss://")
    host, port = _parse_host_and_port(host_and_port)
    return BrokerUrl(
        host=host,
        port=port,
        database=_parse_database(_one("database", decoded(path.strip("/")), *databases)),
        user=user,
        password=password,
        tls=_parse_tls(tls) if scheme == "rediss" else None,
    )


def _one(part: str, *values: str | None) -> str | None:
    """Return the only value that is set, and None if none is."""
    different = {value for value in values if value}
    if len(different) > 1:
        raise ValueError(f"names two different values for its {part}: remove one")
    return different.pop() if different else None


def _parse_options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for option in filter(None, query.split("&")):
        name, equals, value = option.partition("=")
        if not equals or name not in OPTIONS:
            raise ValueError(
                "has an option that is not among those that Plumbline supports, namely "
                f"{', '.join(OPTIONS)}; {ENCODE}"
            )
        if name in options:
            raise ValueError(f"names the option {name} twice: remove one")
        options[name] = decoded(value)
    return options


def _parse_host_and_port(text: str) -> tuple[str, int]:
    if "," in text or ";" in text:
        raise ValueError(SEVERAL_SERVERS)
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError("has no closing bracket after its IPv6 address")
        return _parse_ipv6(decoded(host)), _parse_port(rest[1:])
    host, _, port = text.partition(":")
    host = decoded(host)
    if host and not HOST.fullmatch(host):
        raise ValueError(f"has no valid host; {ENCODE}")
    return host or DEFAULT_HOST, _parse_port(port)


def _parse_ipv6(address: str) -> str:
    try:
        IPv6Address(address)
    except ValueError:
        raise ValueError("has no valid IPv6 address between its brackets") from None
    return address


def _parse_port(text: str) -> int:
    if not text:
        return DEFAULT_PORT
    if not NUMBER.fullmatch(text) or not 1 <= int(text) <= MAX_PORT:
        raise ValueError(
            f"has no valid port: it is a number up to {MAX_PORT}, after an IPv6 address in "
            f"brackets; {ENCODE}"
        )
    return int(text)


def _parse_database(text: str | None) -> int:
    if not text:
        return 0
    if not NUMBER.fullmatch(text):
        raise ValueError(
            "has no valid database: it is a number, as in redis://host:6379/0; a socket is written "
            f"unix:///path/to/redis.sock?db=0; {ENCODE}"
        )
    return int(text)


def _parse_path(text: str) -> str:
    path = decoded(text)
    if "\0" in path:
        raise ValueError("has a path that contains a null byte")
    return path


def _parse_tls(options: Mapping[str, str]) -> Tls:
    """Return redis-py's options. Certificates are verified unless the URL says otherwise: this is
    the default of redis-py, but not that of kombu.
    """
    check = options.get("ssl_cert_reqs", "required").lower().removeprefix("cert_")
    if check not in CERTIFICATE_CHECKS:
        raise ValueError("has no valid ssl_cert_reqs: it is required, optional or none")
    check_host = options.get("ssl_check_hostname", "true").lower()
    if check_host not in BOOLEANS:
        raise ValueError("has no valid ssl_check_hostname: it is true or false")
    return {
        **options,
        "ssl_cert_reqs": check,
        "ssl_check_hostname": BOOLEANS[check_host] and check != "none",
    }
