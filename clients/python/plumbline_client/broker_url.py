"""Where Redis is and how to log in, for redis-py and for Celery, whose own parsers disagree."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from plumbline_client.errors import BrokerUnavailable
from plumbline_client.url_syntax import USUAL_USER

DEFAULT_HOST = "localhost"
DEFAULT_PORT = 6379
TLS_FILES = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")

Tls = Mapping[str, str | bool]


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """The parts of Redis's URL. `repr` shows neither the user nor the password.

    A `socket` replaces `host` and `port`. `tls` holds redis-py's `ssl_` options; it is None if the
    connection is not encrypted.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    database: int = 0
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    socket: str | None = None
    tls: Tls | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The URL in its canonical form, with the password."""
        options = {name: str(value) for name, value in (self.tls or {}).items()}
        return self._render(self._login(), options)

    @property
    def masked(self) -> str:
        """The URL as it may be printed: without secrets, and without the options of TLS."""
        return self._render(self._masked_login(), {})

    def celery_url(self) -> str:
        """Return the URL for kombu, which takes the options of TLS separately; see `tls`."""
        if self.socket is None:
            return self._render(self._login(), {})
        return f"redis+socket://{self._login()}{quote(self.socket)}?virtual_host={self.database}"

    def redis_options(self) -> dict[str, Any]:
        """Return the arguments for `redis.Redis`.

        Raises BrokerUnavailable if a file that the options of TLS name cannot be read.
        """
        options: dict[str, Any] = {
            "db": self.database,
            "username": self.user,
            "password": self.password,
        }
        if self.socket is not None:
            return options | {"unix_socket_path": self.socket}
        options |= {"host": self.host, "port": self.port}
        if self.tls is None:
            return options
        self._check_files(self.tls)
        return options | {"ssl": True, **self.tls}

    def _check_files(self, tls: Tls) -> None:
        # OpenSSL's own error does not name the file.
        for name in TLS_FILES:
            path = tls.get(name)
            if isinstance(path, str) and not os.access(path, os.R_OK):
                raise BrokerUnavailable(
                    f"Redis at {self.masked} cannot be reached: the file of {name} in the broker "
                    "URL does not exist or is not readable."
                )

    def _render(self, login: str, options: Mapping[str, str]) -> str:
        if self.socket is not None:
            return f"unix://{login}{quote(self.socket)}?db={self.database}"
        scheme = "redis" if self.tls is None else "rediss"
        host = f"[{quote(self.host, safe=':')}]" if ":" in self.host else quote(self.host)
        query = "&".join(f"{name}={quote(value)}" for name, value in options.items())
        return f"{scheme}://{login}{host}:{self.port}/{self.database}{query and '?' + query}"

    def _login(self) -> str:
        user = quote(self.user or "", safe="")
        if self.password:
            return f"{user}:{quote(self.password, safe='')}@"
        return f"{user}@" if user else ""

    def _masked_login(self) -> str:
        user = self.user or ""
        # A user without a password may be a password that lacks its colon, and an unusual one may
        # contain a password.
        shown = user if self.password and USUAL_USER.fullmatch(user) else user and "***"
        return (shown + (":***" if self.password else "") + "@") if shown or self.password else ""
