"""Everything about one job: its row and all of its predictions."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, text

JOB = text("SELECT * FROM plumbline.jobs WHERE id = :id")
PREDICTIONS = text("SELECT * FROM plumbline.predictions WHERE job_id = :id ORDER BY role")


def find_job(
    connection: Connection, job_id: uuid.UUID
) -> tuple[Row[Any], Sequence[Row[Any]]] | None:
    """Return one job with its predictions, the live one first; None if there is no such job.

    The columns are those of `storage.tables.Job` and `storage.tables.Prediction`.
    """
    job = connection.execute(JOB, {"id": job_id}).one_or_none()
    if job is None:
        return None
    return job, connection.execute(PREDICTIONS, {"id": job_id}).all()
