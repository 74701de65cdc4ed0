"""Which PostgreSQL and Redis to use: the configured ones, else those of a local `plumbline up`."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from plumbline_client.broker_url_parser import parse_broker_url
from plumbline_client.defaults import STATE_DIR
from plumbline_client.errors import ServicesMissing
from plumbline_client.url_syntax import cleaned

# `plumbline up` holds the lock while it runs; an address file without the lock is left over from a
# run that was killed.
ADDRESS_FILE = "up.json"
LOCK_FILE = "up.lock"
# The user of Redis that only adds messages. Its URL is `broker_url` in the address file; those of
# the other users are in `broker_urls`, by their names.
PRODUCER = "producer"


@dataclass(frozen=True, slots=True)
class Services:
    """The URLs of both servers, Redis's in its canonical form. `repr` hides their passwords."""

    database_url: str = field(repr=False)
    broker_url: str = field(repr=False)


def find_services(
    database_url: str | None,
    broker_url: str | None,
    state_dir: str | Path,
    redis_user: str = PRODUCER,
) -> Services:
    """Return these URLs, completed by those of the `plumbline up` that runs in `state_dir`.

    `redis_user` is the user of its Redis, who only adds messages by default. A URL of nothing but
    whitespace is missing. Raises ServicesMissing if a URL is missing and no `plumbline up` is
    running, and BrokerUrlInvalid.
    """
    database_url, broker_url = cleaned(database_url or ""), cleaned(broker_url or "")
    if database_url and broker_url:
        return Services(database_url, parse_broker_url(broker_url).url)
    try:
        local = _read_addresses(Path(state_dir), redis_user)
    except (OSError, ValueError) as error:
        raise ServicesMissing(
            "Nothing is running here: start `plumbline up` in another terminal, or set "
            "PLUMBLINE_DATABASE_URL and PLUMBLINE_BROKER_URL."
        ) from error
    return Services(
        database_url or local.database_url, parse_broker_url(broker_url or local.broker_url).url
    )


def services_from_environment() -> Services:
    """Read PLUMBLINE_DATABASE_URL and PLUMBLINE_BROKER_URL; see `find_services`."""
    environment = os.environ
    return find_services(
        environment.get("PLUMBLINE_DATABASE_URL"),
        environment.get("PLUMBLINE_BROKER_URL"),
        environment.get("PLUMBLINE_STATE_DIR") or STATE_DIR,
    )


def _read_addresses(state_dir: Path, redis_user: str) -> Services:
    if not is_locked(state_dir / LOCK_FILE):
        raise FileNotFoundError(state_dir / LOCK_FILE)
    addresses = json.loads((state_dir / ADDRESS_FILE).read_text(encoding="utf-8"))
    broker_urls = addresses.get("broker_urls", {})
    return Services(addresses["database_url"], broker_urls.get(redis_user, addresses["broker_url"]))


def is_locked(path: Path) -> bool:
    """Return whether a running process holds the lock on this file."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
