"""Everything about one job: its row and all of its predictions."""

from __future__ import annotations

import uuid

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from storage.tables import Job, Prediction


def find_job(connection: Connection, job_id: uuid.UUID) -> tuple[Job, list[Prediction]] | None:
    """Return one job with its predictions, the live one first; None if there is no such job."""
    with Session(connection) as session:
        job = session.get(Job, job_id)
        if job is None:
            return None
        predictions = session.scalars(
            select(Prediction).where(Prediction.job_id == job_id).order_by(Prediction.role)
        )
        return job, list(predictions)
