"""The URL of PostgreSQL, parsed by libpq. It alone decides which server, and as whom."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from urllib.parse import quote

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from plumbline_client.errors import DatabaseUrlInvalid
from plumbline_client.url_syntax import USUAL_USER, cleaned, decoded, split_scheme

CONNECT_TIMEOUT_S = 5
# A server that vanished from the network ends its connections after about 20 s: an idle one after
# the probes, and one that waits for the server's acknowledgement after the user timeout.
KEEPALIVES = {
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
# SQLAlchemy's form postgresql+psycopg:// is accepted, too.
SCHEMES = ("postgresql", "postgres")
FORM = "postgresql://user:password@host:5432/name"
ENCODE = "in a password, write / as %2F, ? as %3F, @ as %40 and % as %25"
STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
# A part that contains anything else may contain a piece of the password.
SAFE_HOST = re.compile(r"[\w.-]*|[/@][\w./@ +-]*|[0-9A-Fa-f:.]+(%[\w.-]+)?")
USER_AT_SERVER = re.compile(r"[A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+")
USUAL_DATABASE = re.compile(r"[\w. -]*")
SAFE_PORT = re.compile(r"[0-9]{0,5}")
PORTS = range(1, 65_536)
# Another program's variables must not reach in. These may: they complete a URL that leaves out the
# password or how to use TLS, and decide neither where to connect nor as whom.
FROM_ENVIRONMENT = re.compile("password|passfile|ssl.*")
# libpq's own defaults where an empty value means something else.
DEFAULTS = {
    "sslcertmode": "allow",
    "require_auth": "password,md5,gss,sspi,scram-sha-256,none",
    "min_protocol_version": "3.0",
    "max_protocol_version": "3.0",
}


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """`parameters` are libpq's, as the URL states them. `repr` leaves them out."""

    parameters: Mapping[str, str] = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> DatabaseUrl:
        """Raises DatabaseUrlInvalid, which quotes no part of the URL."""
        try:
            scheme, rest = split_scheme(cleaned(url))
            if scheme.partition("+")[0] not in SCHEMES:
                raise ValueError(f"must start with postgresql://, as in {FORM}")
            return cls(_checked(_parse(rest)))
        except ValueError as reason:
            raise DatabaseUrlInvalid(f"The database URL {reason}.") from None

    @property
    def user(self) -> str:
        """The user, which is that of the process if the URL names none."""
        return self.parameters.get("user") or _process_user()

    @property
    def masked(self) -> str:
        """The URL as it may be printed: user, hosts, ports and database, without any option."""
        values = self.parameters
        password = ":***" if values.get("password") else ""
        user = quote(values.get("user", "")) if self._may_show_user() else "***"
        login = f"{user}{password}"
        login += "@" if login else ""
        name = values.get("dbname", "")
        database = f"/{quote(name) if USUAL_DATABASE.fullmatch(name) else '***'}" if name else ""
        hosts = (values.get("host") or values.get("hostaddr", "")).split(",")
        if any(host.startswith(("/", "@")) for host in hosts):
            return f"postgresql://{login}{database or '/'}?host={','.join(hosts)}"
        return f"postgresql://{login}{_addresses(hosts, values.get('port', ''))}{database}"

    @property
    def server(self) -> str:
        """The subject of an error's sentence."""
        return f"PostgreSQL at {self.masked}"

    @property
    def login_limit_s(self) -> float:
        """How long a login may take in all, with the names of the hosts and an attempt at each."""
        try:
            attempt_s = int(self.parameters.get("connect_timeout", CONNECT_TIMEOUT_S))
        except ValueError:
            attempt_s = CONNECT_TIMEOUT_S
        hosts = self.parameters.get("host") or self.parameters.get("hostaddr", "")
        return float(max(CONNECT_TIMEOUT_S, attempt_s) * (hosts.count(",") + 1) + CONNECT_TIMEOUT_S)

    def conninfo(self) -> str:
        """Return libpq's connection string, in which every variable of libpq has a value.

        So none of them is read, except the password and TLS where the URL leaves them open.
        """
        parameters = dict(_neutral_parameters(self._open_to_environment()))
        parameters |= KEEPALIVES | {
            "connect_timeout": str(CONNECT_TIMEOUT_S),
            "application_name": "plumbline",
            "user": self.user,
            "dbname": self.user,
        }
        if "," in self.parameters.get("host", "") + self.parameters.get("hostaddr", ""):
            # Every caller writes, and after a failover the first host may be a standby.
            parameters["target_session_attrs"] = "primary"
        parameters |= self.parameters
        parameters["client_encoding"] = "UTF8"
        return make_conninfo(**parameters)

    def without_secrets(self, text: str) -> str:
        """Return the text with asterisks in place of this URL's secrets."""
        for name in ("password", "sslpassword", "oauth_client_secret"):
            secret = self.parameters.get(name, "")
            # A shorter one would match ordinary words.
            if len(secret) >= 4:
                text = text.replace(secret, "***")
        return text if self._may_show_user() else text.replace(self.user, "***")

    def _may_show_user(self) -> bool:
        """Return whether the user cannot be a piece of a password.

        `user@server` is usual at some providers, but not without a password.
        """
        user = self.parameters.get("user", "")
        if USUAL_USER.fullmatch(user):
            return True
        return bool(self.parameters.get("password") and USER_AT_SERVER.fullmatch(user))

    def _open_to_environment(self) -> re.Pattern[str]:
        # Without TLS, a variable about it could only prevent the connection.
        disabled = self.parameters.get("sslmode") == "disable"
        return re.compile("password|passfile") if disabled else FROM_ENVIRONMENT


def _parse(rest: str) -> dict[str, str]:
    login, address = _split_login(rest)
    try:
        parts = conninfo_to_dict(f"postgresql://{login}{_encoded(address)}")
    except (psycopg.Error, UnicodeError):
        raise ValueError(f"cannot be parsed; write it as {FORM}, and {ENCODE}") from None
    return {name: str(value) for name, value in parts.items() if value is not None}


def _split_login(rest: str) -> tuple[str, str]:
    """Return the encoded `user:password@` and what follows it.

    libpq ends the login at the first `@` or `/`, wherever a password contains one.
    """
    location = rest.partition("?")[0]
    at = location.rfind("@")
    if at < 0 and "/" not in rest.partition("@")[0]:
        # The password contains a question mark.
        at = rest.find("@")
    if at < 0:
        return "", rest
    user, colon, password = rest[:at].partition(":")
    encoded_login = quote(decoded(user), safe="") + colon + quote(decoded(password), safe="")
    return encoded_login + "@", rest[at + 1 :]


def _encoded(address: str) -> str:
    return STRAY_PERCENT.sub("%25", address).replace(" ", "%20")


def _checked(parts: dict[str, str]) -> dict[str, str]:
    if parts.get("service") is not None:
        raise ValueError("names a service of libpq; write its host, port, user and database")
    hosts, addresses = (parts.get(name, "").split(",") for name in ("host", "hostaddr"))
    ports = parts.get("port", "").split(",")
    if not all(SAFE_HOST.fullmatch(host) for host in hosts + addresses):
        raise ValueError(f"cannot be parsed, since it has no valid host; {ENCODE}")
    if not all(SAFE_PORT.fullmatch(port) and int(port or 1) in PORTS for port in ports):
        raise ValueError(f"cannot be parsed, since it has no valid port; write it as {FORM}")
    if len(ports) not in (1, max(len(hosts), len(addresses))):
        raise ValueError("names more or fewer ports than hosts; write one for each, or one for all")
    if not parts.get("user"):
        _process_user()
    return parts


def _process_user() -> str:
    """Return the user that libpq would take: that of the process."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise ValueError(
            f"names no user, and the user that runs this program has no name; write it as {FORM}"
        ) from None


def _neutral_parameters(left_out: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Yield libpq's default for each parameter that it would read from the environment."""
    for option in pq.Conninfo.get_defaults():
        name = option.keyword.decode()
        # An empty `service` would be searched for; see `plumbline_client.session`.
        if option.envvar and name != "service" and not left_out.fullmatch(name):
            yield name, (option.compiled or b"").decode() or DEFAULTS.get(name, "")


def _addresses(hosts: list[str], port: str) -> str:
    """Return the list of servers. A single port applies to every host."""
    ports = port.split(",")
    every_port = ports * len(hosts) if len(ports) == 1 else ports
    bracketed = (f"[{host}]" if ":" in host else host for host in hosts)
    return ",".join(
        f"{host}:{number}" if number else host
        for host, number in zip_longest(bracketed, every_port, fillvalue="")
    )
