"""The indexes of revision 0015, which an upgrade builds while the tables are in use."""

from __future__ import annotations

# `storage.concurrent_indexes` builds them before the migration if there are tables already.
INDEXES = {
    # Results in one of the rarer states, and how many there are.
    "jobs_unscored_idx": (
        "plumbline.jobs (state, created_at) "
        "WHERE state IN ('quarantined', 'rejected', 'expired', 'cancelled')"
    ),
    # The newest predictions of a source: a job is scored when it is finished.
    "jobs_scored_idx": "plumbline.jobs (source, finished_at) WHERE state = 'scored'",
    # The newest predictions of a version.
    "predictions_model_idx": "plumbline.predictions (model, role, scored_at)",
    "rejected_messages_rejected_idx": "plumbline.rejected_messages (rejected_at)",
    # The drift reports whose windows overlap a time.
    "drift_reports_window_idx": (
        "plumbline.drift_reports USING gist (tstzrange("
        "least(window_from, window_to), greatest(window_from, window_to), '[]'))"
    ),
}
