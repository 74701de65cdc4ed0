"""Whether a version would give other answers than the live one: another model, or other classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection

from plumbline.errors import TaskChanged
from storage.serving import deployments
from storage.serving.deployments import Serving

if TYPE_CHECKING:
    from scoring.artifact.artifact import Artifact


def check_task(
    connection: Connection, serving: Serving | None, artifact: Artifact, force: bool
) -> str | None:
    """Return a sentence if the task would change by force; raise TaskChanged without force."""
    if serving is None:
        return None
    change = task_change(
        serving.live,
        deployments.registered_labels(connection, serving.live),
        artifact.name,
        artifact.config.labels,
    )
    if change is not None and not force:
        raise TaskChanged(
            f"{change}. Readers of the results would get answers to another question, and labels "
            "of one task are not those of the other; use --force if that is intended."
        )
    return change


def task_change(
    live: str, live_labels: tuple[str, str] | None, model: str, labels: tuple[str, str]
) -> str | None:
    """Return how a version differs from the live one; None if its task is the same.

    `live_labels` are None if the live version was registered without its classes.
    """
    if live_labels is not None and live_labels != labels:
        return (
            f"{live}, which is live, has the classes {' and '.join(live_labels)}, and {model} has "
            f"{' and '.join(labels)}"
        )
    if live.partition("/")[0] != model.partition("/")[0]:
        return f"{live}, which is live, and {model} are versions of different models"
    return None
