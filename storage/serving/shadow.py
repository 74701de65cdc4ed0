"""Shadow predictions, which are stored next to the live ones and never change a job."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from storage.jobs import predictions
from storage.jobs.predictions import NewPrediction

# One shadow prediction per job, the first: a version that becomes the shadow later adds none.
WRITE = text(f"""
{predictions.INSERT}
SELECT id, 'shadow', {predictions.COLUMNS}
FROM json_to_recordset(CAST(:predictions AS json)) AS score ({predictions.DOCUMENT_COLUMNS})
ON CONFLICT (job_id, role) DO NOTHING
""")


def write(connection: Connection, scores: Sequence[NewPrediction]) -> int:
    """Write the shadow predictions of scored jobs; return how many jobs had none before."""
    document = predictions.to_document(scores)
    return connection.execute(WRITE, {"predictions": document}).rowcount
