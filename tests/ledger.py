"""The client's statements on a connection of the tests, so that they join its transaction."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import Connection

from plumbline_client import statements
from plumbline_client.new_job import NewJob, to_document
from plumbline_client.states import JobState


def accept(connection: Connection, jobs: Sequence[NewJob]) -> set[uuid.UUID]:
    """Insert new jobs, refused ones as `rejected`; return the ids that were not in the ledger."""
    rows = connection.exec_driver_sql(statements.ACCEPT, {"jobs": to_document(jobs)})
    return {row.id for row in rows}


def states(
    connection: Connection, ids: Sequence[uuid.UUID]
) -> dict[uuid.UUID, tuple[JobState, str | None]]:
    """Return state and error of each job that the ledger has."""
    rows = connection.exec_driver_sql(statements.STATES, {"ids": list(ids)})
    return {row.id: (JobState(row.state), row.error) for row in rows}


def cancel(connection: Connection, ids: Sequence[uuid.UUID], reason: str) -> set[uuid.UUID]:
    """Cancel queued jobs; return their ids."""
    rows = connection.exec_driver_sql(statements.CANCEL, {"ids": list(ids), "reason": reason})
    return {row.id for row in rows}
