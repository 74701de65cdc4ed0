"""The processing of a label message: whose labels they are, and which of them are written."""

from __future__ import annotations

from sqlalchemy import Engine

from plumbline.labels import parse_label
from plumbline.messages import LabelMessage, MessageRejected
from storage.errors import LabellerRefused
from storage.jobs import labels
from storage.jobs.labels import LabelOutcome, Recorder
from storage.sources import binding_of, is_closed
from worker.processing.message_source import source_of_list


def write_labels(engine: Engine, message: LabelMessage, list_name: str | None) -> LabelOutcome:
    """Write the usable labels in one transaction.

    Raises MessageRejected if the message may not label at all, or not under a name that it uses.
    """
    sender = source_of_list(list_name)
    with engine.begin() as connection:
        if sender is not None and not binding_of(connection, sender).queue:
            # The list of a source that was released proves as little as any other.
            sender = None
        if sender is None and is_closed(connection):
            raise MessageRejected(
                "this installation is closed, and the message is not in the list of a source"
            )
        entries = message.entries(sender)
        try:
            return labels.add(
                connection, entries, parse_label, Recorder(by_message=True, sender=sender)
            )
        except LabellerRefused as refused:
            raise MessageRejected(f"labels.by: {refused}") from refused


def refused_labels(message: LabelMessage, outcome: LabelOutcome) -> MessageRejected:
    """Return why some labels of a message were not written; all in one, however many they are."""
    return MessageRejected(
        f"labels: {len(outcome.refused)} of {len(message.labels)} would change what belongs to "
        "others"
    )
