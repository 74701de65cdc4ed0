"""What a model version must prove before this installation loads it."""

from __future__ import annotations

from sqlalchemy import Connection

from plumbline.settings import Settings
from scoring.artifact.trust import Trust
from storage.serving import deployments


def registered_trust(connection: Connection, settings: Settings, model: str) -> Trust:
    """Return what the database and the settings require of NAME/VERSION."""
    return Trust(deployments.registered_sha256(connection, model), settings.model_public_key)
