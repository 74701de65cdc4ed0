"""The indexes of revision 0017, which replace two of 0015 and contain the job's id as well."""

from __future__ import annotations

# `storage.concurrent_indexes` builds them before the migration if there are tables already. Ids are
# random, so a range of them is a random sample, which the index selects without reading the rows.
INDEXES = {
    "jobs_scored_id_idx": "plumbline.jobs (source, finished_at, id) WHERE state = 'scored'",
    "predictions_version_idx": "plumbline.predictions (model, role, scored_at, job_id)",
}
REPLACED = ("jobs_scored_idx", "predictions_model_idx")
