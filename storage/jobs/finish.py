"""Finishing leased jobs: a job ends as scored with its prediction, or as rejected."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import text

from plumbline_client.text import storable_error
from storage.direct import Executor
from storage.jobs import predictions
from storage.jobs.claim import QUEUED, Lease, uuid_array
from storage.jobs.leases import LEASED
from storage.jobs.predictions import NewPrediction

# The fence is compared under the row's lock. If two workers hold the same job, only the one that
# claimed it last can write its prediction. A join with the answers would compare each job with each
# answer, because PostgreSQL expects a single row.
FINISH = text(f"""
WITH answers AS (
    SELECT * FROM json_to_recordset(CAST(:predictions AS json)) AS answer (
        {predictions.DOCUMENT_COLUMNS})
), done AS (
    UPDATE plumbline.jobs AS jobs
    SET state = 'scored', lease_until = NULL, error = NULL, finished_at = now()
    WHERE jobs.id = ANY (CAST(:ids AS uuid[])) AND {LEASED}
      AND jobs.fence =
          (CAST(:fences AS bigint[]))[array_position(CAST(:ids AS uuid[]), jobs.id)]
    RETURNING jobs.id
)
{predictions.INSERT}
SELECT id, 'live', {predictions.COLUMNS}
FROM answers JOIN done USING (id)
RETURNING job_id
""")

REJECT = text(f"""
UPDATE plumbline.jobs AS jobs
SET state = 'rejected', lease_until = NULL, finished_at = now(), error = :error
WHERE id = :id AND fence = :fence AND {LEASED}
""")


REJECT_QUEUED = text(f"""
UPDATE plumbline.jobs AS jobs
SET state = 'rejected', finished_at = now(), error = :error
WHERE id = :id AND {QUEUED}
""")


def finish(connection: Executor, answers: Sequence[NewPrediction]) -> set[uuid.UUID]:
    """Write predictions and mark their jobs as scored; return the jobs whose lease was valid."""
    if not answers:
        return set()
    parameters = {
        "predictions": predictions.to_document(answers),
        "ids": uuid_array(answer.id for answer in answers),
        "fences": "{" + ",".join(str(answer.fence) for answer in answers) + "}",
    }
    return {row.job_id for row in connection.execute(FINISH, parameters)}


def reject(connection: Executor, lease: Lease, error: str) -> None:
    """End a leased job whose text cannot be scored."""
    connection.execute(
        REJECT, {"id": lease.id, "fence": lease.fence, "error": storable_error(error)}
    )


def reject_queued(connection: Executor, job: uuid.UUID, error: str) -> None:
    """End a job that cannot be leased. One that is leased or has ended stays as it is."""
    connection.execute(REJECT_QUEUED, {"id": job, "error": storable_error(error)})
