"""Which PostgreSQL and Redis a command talks to: those set, else those of `plumbline up`."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import SecretStr

from plumbline.embedded.lock import is_held
from plumbline.errors import ServicesMissing
from plumbline.settings import Settings


def address_file(settings: Settings) -> Path:
    """Where `plumbline up` leaves the two URLs while it runs, readable by its user alone."""
    return settings.state_dir / "up.json"


def lock_file(settings: Settings) -> Path:
    """Held by `plumbline up` as long as it lives: an address file without it is left over."""
    return settings.state_dir / "up.lock"


def connected(settings: Settings) -> Settings:
    """Return settings with both URLs; raise ServicesMissing where neither way gives them."""
    if settings.database_url is not None and settings.broker_url is not None:
        return settings
    try:
        if not is_held(lock_file(settings)):
            raise FileNotFoundError(lock_file(settings))
        found = json.loads(address_file(settings).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ServicesMissing(
            "Nothing runs here: start `plumbline up` in another terminal, or set "
            "PLUMBLINE_DATABASE_URL and PLUMBLINE_BROKER_URL."
        ) from error
    return settings.model_copy(
        update={
            "database_url": settings.database_url or SecretStr(found["database_url"]),
            "broker_url": settings.broker_url or SecretStr(found["broker_url"]),
        }
    )
