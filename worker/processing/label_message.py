"""Labels that came as a message: written in one transaction, and told in one line."""

from __future__ import annotations

from sqlalchemy import Engine

from plumbline.messages import LabelMessage
from storage.database import translate_errors
from storage.jobs import labels
from storage.jobs.labels import Outcome


def take(engine: Engine, message: LabelMessage) -> Outcome:
    """Write what can be written. Raises StorageError; the message may then come again."""
    with translate_errors(engine), engine.begin() as connection:
        return labels.add(connection, message.entries())


def sentence(outcome: Outcome) -> str:
    return (
        f"{outcome.accepted} labels accepted, {outcome.changed} changed, {outcome.known} known, "
        f"{len(outcome.unknown)} of unknown jobs, {len(outcome.unusable)} unusable"
    )
