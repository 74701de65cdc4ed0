"""What a version must prove, for commands that load one."""

from __future__ import annotations

from plumbline.cli.output.console import err
from plumbline.services import connected
from plumbline.settings import Settings
from plumbline_client.errors import ServicesMissing, StorageError
from scoring.artifact.trust import Trust


def known_trust(settings: Settings, model: str) -> Trust:
    """Return what is required of NAME/VERSION, for a command that needs no database.

    Without a database that answers, the registered content is not compared, and a line reports it.
    """
    try:
        services = connected(settings)
    except ServicesMissing:
        return Trust(None, settings.model_public_key)
    # Without servers the command needs no driver either.
    from plumbline.cli.database import database
    from plumbline.registered_trust import registered_trust

    try:
        with database(services) as engine, engine.connect() as connection:
            return registered_trust(connection, settings, model)
    except StorageError as error:
        err.print(
            f"{model} is not compared with the version that is registered: {error}",
            markup=False,
            soft_wrap=True,
        )
        return Trust(None, settings.model_public_key)
