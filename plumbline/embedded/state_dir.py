"""The state folder of `plumbline up`: its logs, its workers' folder and the published URLs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from plumbline.atomic_file import replacing
from plumbline.embedded.errors import EmbeddedFailed
from plumbline.private_files import create_folder, tighten_folder
from plumbline.redis_users import PRODUCER
from plumbline.services import Services, address_file
from plumbline.settings import Settings
from plumbline.system_errors import cause_and_cure
from plumbline_client.visible import one_line

LOG_FOLDERS = ("logs", "postgres", "redis")


def logs_dir(settings: Settings) -> Path:
    return settings.state_dir / "logs"


def workers_dir(settings: Settings) -> Path:
    """The working directory of the Celery processes, by which a later run recognizes orphans."""
    return settings.state_dir / "workers"


def create(settings: Settings) -> None:
    """Create the state folder for this user alone. Raises EmbeddedFailed."""
    folder = workers_dir(settings)
    try:
        create_folder(folder)
        for own in (folder, *(settings.state_dir / name for name in LOG_FOLDERS)):
            if own.exists():
                tighten_folder(own)
    except OSError as error:
        raise EmbeddedFailed(
            f"{one_line(str(folder))} cannot be created: {cause_and_cure(error)}, or set "
            "PLUMBLINE_STATE_DIR to another folder."
        ) from error


def rotate_logs(state_dir: Path) -> None:
    """Rename every log to NAME.log.1, which replaces the log of the run before."""
    for folder in LOG_FOLDERS:
        for log in (state_dir / folder).glob("*.log"):
            # A log that cannot be renamed is appended to; that must not prevent the start.
            with suppress(OSError):
                log.replace(log.with_name(log.name + ".1"))


def publish_addresses(
    settings: Settings, services: Services, broker_urls: Mapping[str, str]
) -> None:
    """Write the URLs for other programs, readable by this user alone.

    `broker_urls` are those of the users of an embedded Redis. What reads only `broker_url`, as each
    client does, may only add messages there.
    """
    addresses = {
        "database_url": services.database_url,
        "broker_url": broker_urls.get(PRODUCER, services.broker_url),
        "broker_urls": dict(broker_urls),
        "pid": os.getpid(),
    }
    with replacing(address_file(settings)) as partial:
        partial.write_text(json.dumps(addresses), encoding="utf-8")
